"""A link with which who forgot the password gets back in: operators make it, and whoever has it sets a new password."""

from typing import Annotated

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.access.page_url import page_url
from app.access.passwords import hash_password
from app.accounts import reset
from app.domain.errors import InvalidLink, Malformed
from app.domain.ids import UserId
from app.domain.users import InvalidUser, check_password
from app.http.answers import JSON, read_json
from app.routes.admin import MayHaveReason, path_id
from app.routes.auth import NewPassword, check_passwords_are_taken, token_answer
from app.routes.operator_shapes import ResetLink
from app.routes.operators import change, no_key, operator
from app.web import web_of
from db import users
from telemetry import logs


class ResetBody(msgspec.Struct, forbid_unknown_fields=True):
    """The token of a link, and the new password."""

    token: Annotated[str, msgspec.Meta(max_length=128)]
    password: NewPassword


async def create(request: Request) -> Response:
    """POST /admin/users/:id/reset"""
    web, who = await operator(request)
    check_passwords_are_taken(web)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    user_id = UserId(path_id(request))

    def work(conn: sa.Connection) -> reset.Link:
        link = reset.create_link(conn, user_id, actor=who.actor, reason=body.reason)
        state = users.states(conn, [user_id]).get(user_id)
        if state is not None and state.role == "admin":
            no_key(who)
        return link

    link = await change(web, who, work)
    url = reset.page_with(page_url(request, web.settings), link.token)
    return JSON(ResetLink(url, link.expires_at), headers={"Cache-Control": "no-store"})


async def use(request: Request) -> Response:
    """POST /auth/reset"""
    web = web_of(request)
    check_passwords_are_taken(web)
    await web.admission.credentials(request.scope)
    body = await read_json(request, ResetBody)
    try:
        check_password(body.password)
    except InvalidUser as error:
        raise Malformed(str(error)) from None
    try:
        await web.transaction(lambda conn: reset.check_link(conn, body.token))
        password_hash = await web.passwords.run(hash_password, body.password)
        user_id, version = await web.transaction(lambda conn: reset.use_link(conn, body.token, password_hash))
    except InvalidLink:
        logs.refused(
            logs.AUTH_FAILED,
            web.admission.address(request.scope),
            requestId=request.scope["request_id"],
            reason="no such reset link",
        )
        raise
    await web.tokens_changed(user_id)
    return token_answer(web, user_id, version)
