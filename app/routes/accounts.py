"""Accounts that operators make."""

from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.access.passwords import generate_password, hash_password
from app.accounts.create import NewUser, create_user
from app.domain.errors import Malformed
from app.domain.names import check_display_name
from app.domain.users import InvalidUser, Role, check_password
from app.http.answers import JSON, read_json
from app.routes.admin import user_record
from app.routes.auth import Email, NewPassword, Username
from app.routes.operators import OptionalReason, change, no_key, operator
from app.routes.shapes import CreatedUser
from db import moderation


class NewUserBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A user to be made; without a password one is made up."""

    username: Username
    password: NewPassword | None = None
    email: Email | None = None
    display_name: str | None = None
    role: Role = "player"
    reason: OptionalReason = None


async def create(request: Request) -> Response:
    """POST /admin/users"""
    web, who = await operator(request)
    body = await read_json(request, NewUserBody)
    try:
        display_name = check_display_name(body.display_name) if body.display_name is not None else None
        new = NewUser(body.username, body.email, display_name=display_name, role=body.role)
        if body.password is not None:
            check_password(body.password)
    except InvalidUser as error:
        raise Malformed(str(error)) from None
    if body.role == "admin":
        no_key(who)
    web.blocked_names.check(username=new.username, display_name=display_name)
    password = generate_password() if body.password is None else body.password
    password_hash = await web.passwords.run(hash_password, password)
    new = replace(new, password_hash=password_hash)

    def add(conn: sa.Connection) -> sa.Row[Any] | None:
        user_id = create_user(conn, new, actor=who.actor, reason=body.reason)
        return moderation.user(conn, user_id)

    record = user_record(await change(web, who, add))
    shown = password if body.password is None else msgspec.UNSET
    return JSON(CreatedUser(**msgspec.structs.asdict(record), password=shown), 201, {"Cache-Control": "no-store"})
