"""Signatures over board messages, so that clients and relays can tell ours from forged ones.

Source: contract, section 7. The signature is over the RFC 8785 form of the message without its `signature`.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HMAC, ED25519 = "hmac", "ed25519"
_ALG = {HMAC: "HMAC-SHA256", ED25519: "EdDSA"}
_UNREADABLE = (msgspec.MsgspecError, rfc8785.CanonicalizationError, LookupError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `secret` is an HMAC's secret, or the seed of an Ed25519 key."""

    algorithm: str
    secret: bytes

    @property
    def public(self) -> bytes:
        """The public key's 32 bytes; of an Ed25519 key alone."""
        return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key_id(self) -> str:
        """A public identifier that reveals nothing about the secret."""
        identity = self.public if self.algorithm == ED25519 else hashlib.sha256(b"scoreboard" + self.secret).digest()
        return hashlib.sha256(identity).hexdigest()[:16]

    @property
    def _private(self) -> Ed25519PrivateKey:
        return _private_key(self.secret)

    def sign(self, form: bytes) -> bytes:
        if self.algorithm == HMAC:
            return hmac.digest(self.secret, form, "sha256")
        return self._private.sign(form)

    def verifies(self, form: bytes, signature: bytes) -> bool:
        if self.algorithm == HMAC:
            return hmac.compare_digest(self.sign(form), signature)
        try:
            self._private.public_key().verify(signature, form)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=16)
def _private_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


class Signer:
    """Signs with the newest key, and accepts what any of its keys has signed. Without a key it does neither.

    Args:
        key: signs; None when messages are not signed.
        retired: still accepted, never used to sign.
    """

    def __init__(self, key: Key | None, retired: tuple[Key, ...] = ()) -> None:
        self._key = key
        self._keys = {it.key_id: it for it in ((key, *retired) if key else ())}

    @property
    def signs(self) -> bool:
        """Whether messages are signed at all."""
        return self._key is not None

    def sign(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the message with its `signature`, or as it is when messages are not signed."""
        if self._key is None:
            return message
        value = base64.b64encode(self._key.sign(rfc8785.dumps(message))).decode()
        signature = {"alg": _ALG[self._key.algorithm], "keyId": self._key.key_id, "value": value}
        return {**message, "signature": signature}

    def accepts(self, text: bytes | str) -> bool:
        """Return whether a message is signed by one of the keys; any is accepted when messages are not signed."""
        if self._key is None:
            return True
        try:
            message = msgspec.json.decode(text)
            signature = message.pop("signature")
            key = self._keys[signature["keyId"]]
            value = base64.b64decode(signature["value"], validate=True)
            return bool(signature["alg"] == _ALG[key.algorithm]) and key.verifies(rfc8785.dumps(message), value)
        except _UNREADABLE:
            return False

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys as a JWK set (RFC 8037); HMAC keys have nothing to publish."""
        return {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "alg": "EdDSA",
                    "use": "sig",
                    "kid": key.key_id,
                    "x": base64.urlsafe_b64encode(key.public).rstrip(b"=").decode(),
                }
                for key in self._keys.values()
                if key.algorithm == ED25519
            ]
        }


UNSIGNED = Signer(None)
"""For services whose messages are not signed."""
