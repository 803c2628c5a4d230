"""Access tokens: JWTs signed with HS256. Signature, claims and expiry are all checked strictly."""

import time
from typing import Annotated

import jwt
import msgspec

from app.access.remembered import Remembered
from app.domain.errors import Unauthorized
from app.domain.ids import UserId, is_id, new_id
from config.settings import LONGEST_TOKEN_LIFE

ISSUER = "scoreboard"
AUDIENCE = "scoreboard"
ALGORITHM = "HS256"
HEADER = jwt.encode({}, "-" * 32, ALGORITHM).partition(".")[0] + "."
"""What each token that we issue begins with."""
LONGEST_TOKEN = 4096
REMEMBERED = 20_000
CLOCK_SKEW = 5
"""Seconds by which the clock of the host that issued a token may be ahead of ours."""
REFRESH_FOR = 30 * 24 * 3600
"""Seconds after the login until which a token can be refreshed."""


class Claims(msgspec.Struct, frozen=True):
    """A token's claims; times in seconds since 1970, `ver` is the user's token version."""

    iss: str
    aud: str
    sub: UserId
    iat: int
    exp: int
    jti: str
    ver: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    auth_time: int = 0

    @property
    def actor(self) -> str:
        """Who it was, in audit events."""
        return self.sub

    @property
    def logged_in_at(self) -> int:
        return self.auth_time or self.iat


class Tokens:
    """Signs tokens with the newest key and accepts those of every key; verified tokens are cached until they expire."""

    def __init__(self, secret_key: str, retired: tuple[str, ...], ttl: int) -> None:
        self.ttl = ttl
        self._key = secret_key
        self._keys = (secret_key, *retired)
        self._verified: Remembered[str, Claims] = Remembered(REMEMBERED)

    def issue(self, user_id: UserId, token_version: int, *, logged_in_at: int | None = None) -> str:
        """Sign a token for a user; `logged_in_at` is given when it continues an earlier login."""
        now = int(time.time())
        claims = Claims(
            iss=ISSUER,
            aud=AUDIENCE,
            sub=user_id,
            iat=now,
            exp=now + self.ttl,
            jti=new_id(),
            ver=token_version,
            auth_time=logged_in_at or now,
        )
        return jwt.encode(msgspec.to_builtins(claims), self._key, ALGORITHM)

    def verify(self, token: str) -> Claims:
        """Verify a token's signature, expiry and claims. Revocation is checked by `app.access.revocation`.

        Raises:
            Unauthorized: when anything is wrong with it.
        """
        claims = self.known(token)
        if claims is None:
            claims = self._decode(token)
            self._verified[token] = claims
        return claims

    def known(self, token: str) -> Claims | None:
        """Return the claims of a token that was verified before, and has not expired."""
        claims = self._verified.get(token)
        return claims if claims is not None and claims.exp > time.time() else None

    def _decode(self, token: str) -> Claims:
        if len(token) > LONGEST_TOKEN:
            raise Unauthorized("The token is too long.")
        for key in self._keys:
            try:
                payload = jwt.decode(
                    token,
                    key,
                    algorithms=[ALGORITHM],
                    issuer=ISSUER,
                    audience=AUDIENCE,
                    options={
                        "require": ["iss", "aud", "sub", "iat", "exp", "jti", "ver"],
                        "strict_aud": True,
                        "verify_iat": False,
                    },
                )
                break
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise Unauthorized("The token has expired.") from None
            except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
                raise Unauthorized("The token is invalid.") from None
        else:
            raise Unauthorized("The token is invalid.")
        try:
            claims = msgspec.convert(payload, Claims)
        except msgspec.ValidationError:
            raise Unauthorized("The token is invalid.") from None
        if not is_id(claims.sub) or not 0 < claims.exp - claims.iat <= LONGEST_TOKEN_LIFE:
            raise Unauthorized("The token is invalid.")
        if claims.iat > time.time() + CLOCK_SKEW:
            raise Unauthorized("The token is invalid.")
        return claims
