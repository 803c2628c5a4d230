"""Who may send a request: token or key, path and rate limit, checked in the order of the contract."""

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, NamedTuple

from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from app.access.admission import Admission
from app.access.foreign_tokens import ForeignTokenRefused
from app.access.keys import ServiceKey, is_key
from app.access.tokens import Claims
from app.domain.errors import Forbidden, NotFound, ServiceKeyRequired, Unauthorized
from app.domain.ids import UserId, is_id
from app.domain.service_keys import KeyScope
from app.web import Web, web_of
from db.users import UserState
from telemetry import logs

ME = "me"
"""What a path may say in place of the id of the token's own user."""
FIRST_SIGHT = 0.5
"""Seconds that a write waits to learn whether its token was revoked, before its own transaction finds out."""

Limit = Callable[Concatenate[Admission, Scope, Claims, ...], Awaitable[None]]
"""A method of Admission: the rate limit that a player's request counts against."""


class Caller(NamedTuple):
    """A player, or a server that acts for one by its service key, whose path and rate limit were checked.

    `token_version` is that of the player's token; a key has none, and nothing is to be compared with the user's.
    """

    web: Web
    user_id: UserId
    token_version: int | None
    key: ServiceKey | None = None

    @property
    def actor(self) -> str:
        """Who it was, in audit events."""
        return self.key.actor if self.key else self.user_id

    @property
    def logged(self) -> dict[str, Any]:
        """The field of the log that names the key, if it was one."""
        return {"keyId": self.key.key_id} if self.key else {}


async def own_path(request: Request, limit: Limit, scope: KeyScope) -> Caller:
    """Return who sent a request for a player's path: that player, or a service key with a scope.

    Source: contract, section 4, for the order.

    Raises:
        Unauthorized: when there is no token or key, or it is invalid, expired or revoked.
        Forbidden: when it is another player's path; nothing is looked up for it. Or when the key lacks the scope.
        RateLimited: when the rate limit is used up.
        NotFound: when a key is sent for a user who doesn't exist.
        Unavailable: when the token, key or user of a read can't be looked up, since the database is away.
    """
    web, token = web_of(request), _token(request)
    if is_key(token):
        return await _path_by_key(request, scope)
    claims = await _own_claims(web, request, token, limit)
    return Caller(web, claims.sub, claims.ver)


async def own_key(request: Request, scope: KeyScope) -> tuple[Web, ServiceKey]:
    """Return the service key that sent a request for a path that only keys may use.

    Raises:
        Unauthorized, RateLimited, Unavailable: like own_path.
        Forbidden: when it is a person's token, or the key lacks the scope.
    """
    web, token = web_of(request), _token(request)
    if not is_key(token):
        await known_user(request)  # a wrong one is told so
        raise ServiceKeyRequired("This is for service keys.")
    key = await key_of(web, request, token)
    key.check(scope)
    await web.admission.by_key(request.scope, key)
    return web, key


async def own_account(request: Request, limit: Limit) -> tuple[Web, Claims]:
    """Return the claims of the player who sent a request for a path that is for this person alone.

    Raises:
        Unauthorized, Forbidden, RateLimited, Unavailable: like own_path; Forbidden for every service key.
    """
    web, token = await _persons_token(request)
    return web, await _own_claims(web, request, token, limit)


async def own_token(request: Request) -> tuple[Web, Claims]:
    """Return the claims of a token that a write is about, once the write is admitted.

    Raises:
        Unauthorized, RateLimited: like own_path; Forbidden for every service key.
    """
    web, token = await _persons_token(request)
    claims = await claims_of(web, request, token)
    await web.sessions.check_or_trust(claims, patience=FIRST_SIGHT)
    await web.admission.write(request.scope, claims)
    return web, claims


async def known_user(request: Request) -> tuple[Web, Claims, UserState]:
    """Return the claims of a token and the state of its user, without asking any rate limit.

    Raises:
        Unauthorized, Unavailable: like own_path; Forbidden for every service key.
    """
    web, token = await _persons_token(request)
    claims = await claims_of(web, request, token)
    return web, claims, await web.sessions.check(claims)


def bearer(connection: HTTPConnection) -> str | None:
    """Return the token or service key of the Authorization header, if there is one.

    Raises:
        Unauthorized: when the header is something else.
    """
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("The Authorization header must be: Bearer <token>.")
    return token.strip()


async def claims_of(web: Web, connection: HTTPConnection, token: str) -> Claims:
    """Return the claims of a token, ours or of an issuer that is known here: the same from there on.

    Raises:
        Unauthorized: when anything is wrong with it.
        Unavailable: when what another issuer's token needs can't be had right now.
    """
    if not web.identities.is_foreign(token):
        return web.tokens.verify(token)
    try:
        return await web.identities.claims(token)
    except ForeignTokenRefused as error:
        address, request_id = web.admission.address(connection.scope), connection.scope["request_id"]
        logs.refused(logs.AUTH_FAILED, address, requestId=request_id, reason=error.reason, issuer=error.issuer)
        raise


async def key_of(web: Web, connection: HTTPConnection, token: str) -> ServiceKey:
    """Return the service key that a bearer token names.

    Raises:
        Unauthorized: when it doesn't exist, or is revoked or expired.
        RateLimited: when its address has sent too many of these.
        Unavailable: when it can't be looked up, since the database is away.
    """
    key = web.keys.known(token)
    if key is not None:
        return key
    await web.admission.unknown_key(connection.scope)
    try:
        return await web.keys.find(token)
    except Unauthorized:
        address, request_id = web.admission.address(connection.scope), connection.scope["request_id"]
        logs.refused(logs.AUTH_FAILED, address, requestId=request_id, reason="wrong key")
        raise


async def _path_by_key(request: Request, scope: KeyScope) -> Caller:
    web, key = await own_key(request, scope)
    user_id = request.path_params["user_id"]
    if not is_id(user_id):
        raise NotFound("There is no such user.")
    await web.sessions.find(user_id)
    return Caller(web, user_id, None, key)


async def _own_claims(web: Web, request: Request, token: str, limit: Limit) -> Claims:
    claims = await claims_of(web, request, token)
    if request.method in ("GET", "HEAD"):
        await web.sessions.check(claims)
    else:
        # What is known here may be seconds old; the write's own transaction looks again.
        await web.sessions.check_or_trust(claims, patience=FIRST_SIGHT)
    if request.path_params["user_id"] not in (claims.sub, ME):
        raise Forbidden("This is another player's path.")
    await limit(web.admission, request.scope, claims)
    return claims


def _token(connection: HTTPConnection) -> str:
    token = bearer(connection)
    if token is None:
        raise Unauthorized("A token is needed: Authorization: Bearer <token>.")
    return token


async def _persons_token(request: Request) -> tuple[Web, str]:
    web, token = web_of(request), _token(request)
    if is_key(token):
        await key_of(web, request, token)  # a wrong one is told so
        raise Forbidden("This is not for service keys.")
    return web, token
