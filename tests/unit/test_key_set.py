"""An issuer's keys: which of them check which signatures, and which are left out."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.access.key_set import MOST_KEYS, parse


def jwk(algorithm: str, private: Any, **more: Any) -> dict[str, Any]:
    return {**json.loads(str(jwt.get_algorithm_by_name(algorithm).to_jwk(private))), **more}


RSA = rsa.generate_private_key(65537, 2048)
KEYS = {
    "rsa": jwk("RS256", RSA.public_key(), kid="rsa"),
    "p256": jwk("ES256", ec.generate_private_key(ec.SECP256R1()).public_key(), kid="p256"),
    "p384": jwk("ES384", ec.generate_private_key(ec.SECP384R1()).public_key(), kid="p384"),
    "p521": jwk("ES512", ec.generate_private_key(ec.SECP521R1()).public_key(), kid="p521"),
    "ed": jwk("EdDSA", ed25519.Ed25519PrivateKey.generate().public_key(), kid="ed"),
}
FITS = {
    "rsa": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
    "p256": {"ES256"},
    "p384": {"ES384"},
    "p521": {"ES512"},
    "ed": {"EdDSA"},
}


def test_find_wants_the_kind_of_key_that_the_algorithm_needs() -> None:
    keys = parse({"keys": list(KEYS.values())})
    for kid, fitting in FITS.items():
        for alg in {"none", "HS256", "HS512", "ES256K", *(it for every in FITS.values() for it in every)}:
            assert (keys.find(kid, alg) is not None) is (alg in fitting), (kid, alg)


def test_find_keeps_to_the_algorithm_that_a_key_names() -> None:
    keys = parse({"keys": [{**KEYS["rsa"], "alg": "PS256"}]})
    assert keys.find("rsa", "PS256")
    assert not keys.find("rsa", "RS256")


def test_find_without_a_name_takes_the_only_key_that_fits() -> None:
    assert parse({"keys": list(KEYS.values())}).find(None, "RS256")
    assert not parse({"keys": [KEYS["rsa"], {**KEYS["rsa"], "kid": "again"}]}).find(None, "RS256")
    assert not parse({"keys": list(KEYS.values())}).find("unknown", "RS256")


LEFT_OUT: dict[str, Any] = {
    "a shared secret": {"kty": "oct", "k": "c2VjcmV0", "kid": "rsa", "alg": "HS256"},
    "for encryption": {**KEYS["rsa"], "use": "enc"},
    "for signing alone": {**KEYS["rsa"], "key_ops": ["sign"]},
    "too short": jwk("RS256", rsa.generate_private_key(65537, 1024).public_key(), kid="rsa"),
    "no numbers": {"kty": "RSA", "kid": "rsa"},
    "no point": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    "an unknown curve": {**KEYS["p256"], "crv": "secp256k1"},
    "lists": {"kty": ["RSA"], "crv": ["P-256"]},
    "a name that is none": {**KEYS["rsa"], "kid": 7},
    "no object": "rsa",
}


@pytest.mark.parametrize("left_out", LEFT_OUT.values(), ids=LEFT_OUT)
def test_parse_leaves_out_what_is_of_no_use(left_out: Any) -> None:
    keys = parse({"keys": [left_out, KEYS["ed"]]})
    assert len(keys) == 1
    with pytest.raises(ValueError, match="no key"):
        parse({"keys": [left_out]})


def test_parse_takes_the_public_half_of_a_key_that_was_published_whole() -> None:
    key = parse({"keys": [jwk("RS256", RSA, kid="whole", key_ops=["sign", "verify"])]}).find("whole", "RS256")
    assert key is not None
    assert isinstance(key.public, rsa.RSAPublicKey)


@pytest.mark.parametrize(
    "document", [None, [], {}, {"keys": {}}, {"keys": [KEYS["ed"]] * (MOST_KEYS + 1)}], ids=range(5)
)
def test_parse_refuses_what_is_no_key_set(document: Any) -> None:
    with pytest.raises(ValueError, match=r"no JWKS|more than"):
        parse(document)


def test_lacks_any_of_sees_a_key_that_was_replaced_under_its_name() -> None:
    one, other = parse({"keys": [KEYS["rsa"]]}), parse({"keys": [{**KEYS["p256"], "kid": "rsa"}]})
    both = parse({"keys": [KEYS["rsa"], KEYS["p256"]]})
    assert other.lacks_any_of(one)
    assert one.lacks_any_of(both)
    assert not both.lacks_any_of(one)
