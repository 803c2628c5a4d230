"""Who may operate, looked up again in the transaction of each change."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request

from app.access.keys import ServiceKey, is_key
from app.access.tokens import Claims
from app.domain.errors import Forbidden, Unauthorized
from app.routes.guards import bearer, key_of, known_user
from app.web import Web, web_of
from db import service_keys, users

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
OptionalReason = Annotated[str, msgspec.Meta(max_length=500)] | None

Operator = Claims | ServiceKey
"""An admin's token, or a service key; `actor` is the name of either in audit events."""


async def operator(request: Request) -> tuple[Web, Operator]:
    """Return the claims of an admin's token, or a service key with the scope "admin", once the request is admitted.

    Raises:
        Unauthorized, Unavailable, Forbidden, RateLimited: in this order.
    """
    token = bearer(request)
    if token is None or not is_key(token):
        return await admin(request)
    web = web_of(request)
    key = await key_of(web, request, token)
    key.check("admin")
    await web.admission.by_key(request.scope, key)
    return web, key


async def admin(request: Request) -> tuple[Web, Claims]:
    """Return the claims of an admin's token, once the request is admitted; no service key will do.

    Raises:
        Unauthorized, Unavailable, Forbidden, RateLimited: in this order.
    """
    web, claims, state = await known_user(request)
    if state.role != "admin" or not state.active:
        raise Forbidden("This is for operators.")
    await (web.admission.read if request.method == "GET" else web.admission.write)(request.scope, claims)
    return web, claims


def no_key(who: Operator) -> None:
    """Refuse a service key what would make it more than one: it could get at an account that may make keys.

    Raises:
        Forbidden: when it is a key.
    """
    if isinstance(who, ServiceKey):
        raise Forbidden("A service key can neither make an operator nor get into an operator's account.")


async def change(web: Web, operator: Operator, work: Callable[[sa.Connection], Any]) -> Any:
    """Run a change in a transaction that first looks again whether its operator still is one."""

    def checked(conn: sa.Connection) -> Any:
        _check_again(conn, operator)
        return work(conn)

    return await web.transaction(checked)


def _check_again(conn: sa.Connection, operator: Operator) -> None:
    if isinstance(operator, ServiceKey):
        if not service_keys.may_operate(conn, operator.key_id):
            raise Unauthorized("The service key is revoked or expired.")
    else:
        _check_admin(conn, operator)


def _check_admin(conn: sa.Connection, claims: Claims) -> None:
    state = users.states(conn, [claims.sub]).get(claims.sub)
    if state is None or state.token_version != claims.ver:
        raise Unauthorized("The token is no longer valid.")
    if not (state.active and state.role == "admin"):
        raise Forbidden("This is for operators.")
