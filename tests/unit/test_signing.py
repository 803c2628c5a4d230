"""Signatures: ours are accepted, retired ones too, anything else is not."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.signing import ED25519, HMAC, Key, Signer

MESSAGE = {"type": "top_scores_update", "board": "all-time", "epoch": "e", "version": 1, "payload": [{"score": 3}]}
KEYS = [Key(HMAC, b"h" * 32), Key(ED25519, b"e" * 32)]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_signed_message_is_accepted_in_any_spacing_and_order(key: Key) -> None:
    signer = Signer(key)
    signed = signer.sign(MESSAGE)
    assert signed["signature"]["keyId"] == key.key_id
    assert signer.accepts(json.dumps(signed))
    assert signer.accepts(json.dumps(dict(reversed(signed.items())), indent=2))
    assert signer.sign(MESSAGE) == signed


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_retired_key_is_accepted_and_never_signs(key: Key) -> None:
    new = Key(HMAC, b"n" * 32)
    old, rotated = Signer(key), Signer(new, (key,))
    assert rotated.accepts(json.dumps(old.sign(MESSAGE)))
    assert rotated.sign(MESSAGE)["signature"]["keyId"] == new.key_id
    assert not old.accepts(json.dumps(rotated.sign(MESSAGE)))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"more": True},
        {"signature": None},
        {"signature": {}},
        {"signature": {"alg": "none", "keyId": "", "value": ""}},
        {"payload": [{"score": 4}]},
    ],
    ids=str,
)
def test_signed_message_that_was_changed_is_not_accepted(key: Key, damage: dict[str, object]) -> None:
    assert not Signer(key).accepts(json.dumps({**Signer(key).sign(MESSAGE), **damage}))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_signature_of_another_length_is_not_accepted(key: Key) -> None:
    signer = Signer(key)
    signed = signer.sign(MESSAGE)
    value = base64.b64decode(signed["signature"]["value"])
    for other in (b"", value[:1], value[:16], value[:-1], value + b"x"):
        signature = {**signed["signature"], "value": base64.b64encode(other).decode()}
        assert not signer.accepts(json.dumps({**signed, "signature": signature})), len(other)


def test_algorithm_that_is_not_the_keys_is_not_accepted() -> None:
    signed = Signer(KEYS[0]).sign(MESSAGE)
    signed["signature"]["alg"] = "EdDSA"
    assert not Signer(KEYS[0]).accepts(json.dumps(signed))


@given(st.one_of(st.binary(), st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)))
def test_signed_messages_alone_are_accepted_and_none_raises(text: bytes | str) -> None:
    assert not Signer(KEYS[1]).accepts(text)


def test_signer_without_a_key_accepts_all_and_changes_nothing() -> None:
    signer = Signer(None, (KEYS[0],))
    assert signer.sign(MESSAGE) == MESSAGE
    assert signer.accepts(json.dumps(MESSAGE))
    assert signer.jwks() == {"keys": []}


def test_jwk_set_holds_the_public_keys_retired_ones_too() -> None:
    retired = Key(ED25519, b"r" * 32)
    keys = Signer(KEYS[1], (retired, KEYS[0])).jwks()["keys"]
    assert [key["kid"] for key in keys] == [KEYS[1].key_id, retired.key_id]
    assert base64.urlsafe_b64decode(keys[0]["x"] + "=") == KEYS[1].public
    assert all("d" not in key for key in keys)
