"""Who may operate, looked up again in the transaction of each change."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request

from app.access.tokens import Claims
from app.domain.errors import Forbidden, Unauthorized
from app.routes.guards import known_user
from app.web import Web
from db import users

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
OptionalReason = Annotated[str, msgspec.Meta(max_length=500)] | None


async def operator(request: Request) -> tuple[Web, Claims]:
    """Return the claims of an admin's token, once the request is admitted.

    Raises:
        Unauthorized, Unavailable, Forbidden, RateLimited: in this order.
    """
    web, claims, state = await known_user(request)
    if state.role != "admin" or not state.active:
        raise Forbidden("This is for operators.")
    await (web.admission.read if request.method == "GET" else web.admission.write)(request.scope, claims)
    return web, claims


async def change(web: Web, claims: Claims, work: Callable[[sa.Connection], Any]) -> Any:
    """Run a change in a transaction that first looks again whether its operator still is one."""

    def checked(conn: sa.Connection) -> Any:
        state = users.states(conn, [claims.sub]).get(claims.sub)
        if state is None or state.token_version != claims.ver:
            raise Unauthorized("The token is no longer valid.")
        if state.role != "admin" or not state.active:
            raise Forbidden("This is for operators.")
        return work(conn)

    return await web.transaction(checked)
