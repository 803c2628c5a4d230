"""Who may send a request: token, path and rate limit, checked in the order of the contract."""

from collections.abc import Awaitable, Callable
from typing import Concatenate, NamedTuple

from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from app.access.admission import Admission
from app.access.tokens import Claims
from app.domain.errors import Forbidden, Unauthorized
from app.domain.ids import UserId
from app.web import Web, web_of
from db.users import UserState

FIRST_SIGHT = 0.5
"""Seconds that a write waits to learn whether its token was revoked, before its own transaction finds out."""

Limit = Callable[Concatenate[Admission, Scope, Claims, ...], Awaitable[None]]
"""A method of Admission: the rate limit that a request counts against."""


class Caller(NamedTuple):
    """A player whose token, path and rate limit were checked."""

    web: Web
    user_id: UserId
    claims: Claims


async def own_path(request: Request, limit: Limit) -> Caller:
    """Return the player who sent a request for a path of their own. Source: contract, section 4, for the order.

    Raises:
        Unauthorized: when there is no token, or it is invalid, expired or revoked.
        Forbidden: when it is another player's path; nothing is looked up for it.
        RateLimited: when the rate limit is used up.
        Unavailable: when a read's token can't be looked up, since the database is away.
    """
    web = web_of(request)
    claims = _claims(web, request)
    if request.method in ("GET", "HEAD"):
        await web.sessions.check(claims)
    else:
        # What is known here may be seconds old; the write's own transaction looks again.
        await web.sessions.check_or_trust(claims, patience=FIRST_SIGHT)
    if request.path_params["user_id"] != claims.sub:
        raise Forbidden("This is another player's path.")
    await limit(web.admission, request.scope, claims)
    return Caller(web, claims.sub, claims)


async def own_token(request: Request) -> tuple[Web, Claims]:
    """Return the claims of a token that a write is about, once the write is admitted.

    Raises:
        Unauthorized, RateLimited: like own_path.
    """
    web = web_of(request)
    claims = _claims(web, request)
    await web.sessions.check_or_trust(claims, patience=FIRST_SIGHT)
    await web.admission.write(request.scope, claims)
    return web, claims


async def known_user(request: Request) -> tuple[Web, Claims, UserState]:
    """Return the claims of a token and the state of its user, without asking any rate limit.

    Raises:
        Unauthorized, Unavailable: like own_path.
    """
    web = web_of(request)
    claims = _claims(web, request)
    return web, claims, await web.sessions.check(claims)


def bearer(connection: HTTPConnection) -> str | None:
    """Return the token of the Authorization header, if there is one.

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


def _claims(web: Web, connection: HTTPConnection) -> Claims:
    token = bearer(connection)
    if token is None:
        raise Unauthorized("A token is needed: Authorization: Bearer <token>.")
    return web.tokens.verify(token)
