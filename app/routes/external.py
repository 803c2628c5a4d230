"""Users whom a trusted server brings along, by the id that it knows them by."""

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.accounts import external
from app.domain.errors import Malformed, NotFound
from app.domain.names import check_display_name
from app.domain.users import InvalidUser, check_user
from app.http.answers import JSON, read_json
from app.routes.auth import Username
from app.routes.guards import own_key
from app.routes.names import DisplayName
from app.routes.shapes import ExternalUser
from db import external_users


class ExternalBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The names of a user of another system; what is left out stays, and null takes a display name away."""

    username: Username | None = None
    display_name: DisplayName | msgspec.UnsetType | None = msgspec.UNSET


async def put(request: Request) -> Response:
    """PUT /users/external/:externalId"""
    web, key = await own_key(request, "users")
    external_id = _external_id(request)
    body = await read_json(request, ExternalBody, or_nothing=True)
    username, display_name = body.username, body.display_name
    try:
        if username is not None:
            check_user(username=username)
        if isinstance(display_name, str):
            display_name = check_display_name(display_name)
    except InvalidUser as error:
        raise Malformed(str(error)) from None
    web.blocked_names.check(username=username, display_name=display_name or None)

    def work(conn: sa.Connection) -> tuple[external_users.ExternalUser, bool, bool]:
        return external.find_or_make(
            conn,
            web.board_rules,
            web.blocked_names,
            external_id,
            username=username,
            display_name=display_name,
            actor=key.actor,
        )

    user, made, renamed = await web.transaction(work)
    if renamed:
        await web.publish_boards()
    return JSON(_user(user), 201 if made else 200, {"Location": f"/users/{user.user_id}"} if made else None)


async def show(request: Request) -> Response:
    """GET /users/external/:externalId"""
    web, _ = await own_key(request, "users")
    external_id = _external_id(request)
    user = await web.statement(lambda conn: external_users.find(conn, external_id))
    if user is None:
        raise NotFound("There is no such user.")
    return JSON(_user(user))


def _external_id(request: Request) -> str:
    try:
        return external.check_external_id(request.path_params["external_id"])
    except InvalidUser as error:
        raise Malformed(str(error)) from None


def _user(user: external_users.ExternalUser) -> ExternalUser:
    return ExternalUser(
        user_id=user.user_id,
        external_id=user.external_id,
        username=user.username,
        display_name=user.display_name,
        status=user.status,
        total_score=user.total_score,
        created_at=user.created_at,
    )
