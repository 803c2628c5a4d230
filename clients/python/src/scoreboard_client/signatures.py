"""Verifies the service's signatures over boards: `pip install scoreboard-client[signatures]`."""

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import httpx2

from scoreboard_client.http import Http

_KEYS_TIMEOUT = 5.0
_KEYS_EVERY = 10.0  # besides once a connection


def verify(message: Mapping[str, Any], *, jwks: Mapping[str, Any] | None = None, secret: bytes | None = None) -> bool:
    """Return whether one of the keys has signed a message, wherever it comes from.

    Args:
        jwks: public keys, as `/.well-known/jwks.json` has them.
        secret: what stands behind `hmac:` in the service's `SIGNING_KEY`, decoded.
    """
    return _fault(message, jwks or {"keys": []}, secret) is None


def _fault(message: Mapping[str, Any], jwks: Mapping[str, Any], secret: bytes | None) -> str | None:
    """Return what is wrong with a message, or None."""
    import rfc8785

    signature = message.get("signature")
    if not (
        isinstance(signature, dict) and all(isinstance(signature.get(it), str) for it in ("value", "keyId", "alg"))
    ):
        return "unsigned"
    try:
        form = rfc8785.dumps({name: value for name, value in message.items() if name != "signature"})
        value = base64.b64decode(signature["value"], validate=True)
    except (rfc8785.CanonicalizationError, binascii.Error, ValueError):
        return "wrong-signature"
    if signature["alg"] == "HMAC-SHA256" and secret is not None:
        if not hmac.compare_digest(signature["keyId"].encode(), _id_of(secret).encode()):
            return "unknown-key"
        return None if hmac.compare_digest(hmac.digest(secret, form, "sha256"), value) else "wrong-signature"
    public = _public_key(jwks, signature["keyId"]) if signature["alg"] == "EdDSA" else None
    if public is None:
        return "unknown-key"
    return None if _signed(public, value, form) else "wrong-signature"


def _id_of(secret: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(b"scoreboard" + secret).digest()).hexdigest()[:16]


def _public_key(jwks: Mapping[str, Any], key_id: str) -> bytes | None:
    for key in jwks.get("keys", []):
        if (key.get("kid"), key.get("kty"), key.get("crv")) == (key_id, "OKP", "Ed25519"):
            return base64.urlsafe_b64decode(str(key["x"]) + "==")
    return None


def _signed(public: bytes, value: bytes, form: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(value, form)
    except (InvalidSignature, ValueError):
        return False
    return True


class Verifier:
    """Verifies the messages that a follower gets.

    Args:
        keys: True for the service's own public keys, a JWKS, or `hmac:<base64>`, the secret that backends share.
    """

    def __init__(self, http: Http, keys: bool | str | Mapping[str, Any]) -> None:
        if not (find_spec("rfc8785") and find_spec("cryptography")):
            raise ImportError("To verify signatures: pip install 'scoreboard-client[signatures]'")
        self._http = http
        self._secret: bytes | None = None
        self._jwks: Mapping[str, Any] = keys if isinstance(keys, Mapping) else {"keys": []}
        self._fetches = keys is True
        if isinstance(keys, str):
            if not keys.startswith("hmac:"):
                raise ValueError("keys must be True, a JWKS, or 'hmac:<base64>'")
            self._secret = base64.b64decode(keys.removeprefix("hmac:"), validate=True)
        self._fetched_at = float("-inf")

    def allow_fetch(self) -> None:
        """Let the keys be fetched again, since this is another connection."""
        self._fetched_at = float("-inf")

    async def fault(self, message: Mapping[str, Any]) -> str | None:
        """Return what is wrong with a message (`unsigned`, `unknown-key` or `wrong-signature`), or None."""
        fault = _fault(message, self._jwks, self._secret)
        now = asyncio.get_running_loop().time()
        if fault != "unknown-key" or not self._fetches or now - self._fetched_at < _KEYS_EVERY:
            return fault
        self._fetched_at = now
        try:
            address = f"{self._http.base}/.well-known/jwks.json"
            answer = await self._http.client.get(address, timeout=_KEYS_TIMEOUT)
            said = answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError):
            return fault  # what was known stays so
        if isinstance(said, dict) and isinstance(said.get("keys"), list):
            self._jwks = said
        return _fault(message, self._jwks, self._secret)
