"""Tokens of other issuers: JWTs signed with their private keys. Every part is checked before the database is asked."""

import base64
import binascii
import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import jwt
import msgspec

from app.access.issuer_keys import IssuerKeys
from app.access.tokens import CLOCK_SKEW
from app.domain.claims import claim, holds
from app.domain.errors import Unauthorized
from app.domain.issuers import Issuer
from config.settings import LONGEST_TOKEN_LIFE

LONGEST_TOKEN = 8192
LONGEST_SUBJECT = 255
LONGEST_NAME = 1000
TYPES = ("jwt", "at+jwt", "application/at+jwt")
"""What `typ` may say, if anything: a token for logging out has the same issuer, audience and keys. Source: RFC 8725."""


T = TypeVar("T")


class ForeignTokenRefused(Unauthorized):
    """A token of another issuer is not accepted; `reason` is a constant for the log."""

    def __init__(self, detail: str, reason: str, issuer: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.issuer = issuer


class Identity(NamedTuple):
    """Who a good token says its bearer is; times in seconds since 1970."""

    issuer: Issuer
    subject: str
    issued_at: float
    expires_at: int
    username: str
    """Any text; usernames are made of it."""
    display_name: str | None
    admin: bool | None
    """Whether the bearer is an operator; None when the issuer doesn't decide that."""


class Header(msgspec.Struct):
    """The part of a token that says how it is signed."""

    alg: str
    kid: str | None = None
    typ: str | None = None


class _Issued(msgspec.Struct):
    iss: str


class _Claims(msgspec.Struct):
    sub: str
    iat: float
    exp: float
    nbf: float | None = None
    events: Any = None


def header_of(token: str) -> Header | None:
    """Return the header of a token that nobody has verified; None for what is no token."""
    return _part(token, 0, Header)


async def verify(token: str, header: Header, issuers: Mapping[str, IssuerKeys]) -> Identity:
    """Verify a token's signature, issuer, audience, times and form. Whether it was ended is asked elsewhere.

    Args:
        issuers: those whose tokens are taken, by their names for themselves.

    Raises:
        ForeignTokenRefused: when anything is wrong with it.
        IssuerUnavailable: when its issuer's keys could not be fetched yet.
    """
    issued = _part(token, 1, _Issued)
    keys = issuers.get(issued.iss) if issued is not None and len(token) <= LONGEST_TOKEN else None
    if keys is None:
        raise ForeignTokenRefused("The token is invalid.", "issuer")
    issuer = keys.issuer
    if header.alg not in issuer.algorithms or (header.typ or "jwt").lower() not in TYPES:
        raise ForeignTokenRefused("The token is invalid.", "algorithm", issuer.id)
    key = await keys.find(header.kid, header.alg)
    if key is None:
        raise ForeignTokenRefused("The token is invalid.", "key", issuer.id)
    try:
        payload = jwt.decode(
            token,
            key.public,
            algorithms=[header.alg],
            issuer=issuer.issuer,
            audience=issuer.audience,
            options={"require": ["iss", "aud", "sub", "iat", "exp"], "verify_iat": False, "verify_nbf": False},
        )
        claims = msgspec.convert(payload, _Claims)
    except jwt.ExpiredSignatureError:
        raise ForeignTokenRefused("The token has expired.", "expired", issuer.id) from None
    except jwt.InvalidAudienceError:
        raise ForeignTokenRefused("The token is meant for another audience.", "audience", issuer.id) from None
    except jwt.InvalidSignatureError:
        raise ForeignTokenRefused("The token is invalid.", "signature", issuer.id) from None
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, TypeError, OverflowError, RecursionError):
        raise ForeignTokenRefused("The token is invalid.", "form", issuer.id) from None
    _check_times(claims, issuer)
    # With `events` it is a message from the issuer to us, not a user's.
    if not 1 <= len(claims.sub) <= LONGEST_SUBJECT or not claims.sub.isprintable() or claims.events is not None:
        raise ForeignTokenRefused("The token is invalid.", "form", issuer.id)
    return _identity(issuer, claims, payload)


def _check_times(claims: _Claims, issuer: Issuer) -> None:
    latest = time.time() + CLOCK_SKEW
    if not (math.isfinite(claims.exp) and 0 < claims.exp - claims.iat <= LONGEST_TOKEN_LIFE):
        raise ForeignTokenRefused("The token is valid for too long.", "lifetime", issuer.id)
    if claims.iat > latest or (claims.nbf is not None and not claims.nbf <= latest):
        raise ForeignTokenRefused("The token is not valid yet.", "not yet", issuer.id)


def _identity(issuer: Issuer, claims: _Claims, payload: Mapping[str, Any]) -> Identity:
    def text(name: str) -> str | None:
        value = claim(payload, name)
        return value if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME else None

    admin = None
    if issuer.admin_claim is not None and issuer.admin_value is not None:
        admin = holds(claim(payload, issuer.admin_claim), issuer.admin_value)
    return Identity(
        issuer=issuer,
        subject=claims.sub,
        issued_at=claims.iat,
        expires_at=int(claims.exp),
        username=text(issuer.username_claim) or "",
        display_name=text(issuer.display_name_claim) if issuer.display_name_claim else None,
        admin=admin,
    )


def _part(token: str, index: int, shape: type[T]) -> T | None:
    """Read a part of a token that nobody has verified, as far as is needed; None when that can't be done."""
    parts = token.split(".", 3)
    if len(parts) != 3:
        return None
    try:
        raw = base64.b64decode(parts[index].replace("-", "+").replace("_", "/") + "==", validate=False)
        return msgspec.json.decode(raw, type=shape)
    except (binascii.Error, msgspec.MsgspecError, ValueError, RecursionError):
        return None
