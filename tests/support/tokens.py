"""Tokens that a test signs by hand, good but for what it changes: a library refuses to make most bad ones."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

from config.settings import DEVELOPMENT_SECRET
from tests.support.people import Player

# Under the name of RS256 a verifier that takes our key for a public one would check an HMAC.
_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512, "RS256": hashlib.sha256}


def signed(
    player: Player,
    *,
    key: str = DEVELOPMENT_SECRET,
    header: dict[str, Any] | None = None,
    without: str = "",
    **changes: Any,
) -> str:
    """Sign a token for a player that is good but for `changes` to its claims and the claim it is `without`."""
    claims = {**player.claims, "jti": str(uuid.uuid4()), **changes}
    claims.pop(without, None)
    return sign(json.dumps(claims).encode(), key=key, header=header)


def sign(payload: bytes, *, key: str = DEVELOPMENT_SECRET, header: dict[str, Any] | None = None) -> str:
    """Sign any payload with the algorithm that the header names, HS256 unless given; another name gets no signature."""
    header = {"alg": "HS256", "typ": "JWT", **(header or {})}
    text = f"{encode(json.dumps(header).encode())}.{encode(payload)}"
    digest = _DIGESTS.get(str(header["alg"]))
    signature = hmac.digest(key.encode(), text.encode(), digest) if digest else b""
    return f"{text}.{encode(signature)}"


def authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def from_now(seconds: float) -> int:
    """Return a moment as tokens have it."""
    return int(time.time() + seconds)


def encode(data: bytes) -> str:
    """Write bytes as the parts of a token are written."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
