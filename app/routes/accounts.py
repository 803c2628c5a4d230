"""Accounts that operators make."""

from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.access.passwords import generate_password, hash_password
from app.accounts import bulk
from app.accounts.create import NewUser, create_user
from app.domain.errors import InvalidList, Malformed
from app.domain.ids import UserId
from app.domain.names import check_display_name
from app.domain.user_list import ListedUser, read_list
from app.domain.users import InvalidUser, Role, check_password
from app.http.answers import JSON, read_json
from app.routes.admin import user_record
from app.routes.auth import Email, NewPassword, Username
from app.routes.operator_shapes import CreatedUser, ImportedUser, ImportedUsers, SkippedUser
from app.routes.operators import OptionalReason, change, no_key, operator
from db import moderation


class NewUserBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A user to be made; without a password one is made up."""

    username: Username
    password: NewPassword | None = None
    email: Email | None = None
    display_name: str | None = None
    role: Role = "player"
    reason: OptionalReason = None


MOST_LISTED = 100
"""Users of a list that is taken at once: hashing their passwords takes about 4 s. bin/manage takes longer ones."""


class ListBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A list of users, as a spreadsheet saves it."""

    csv: str
    dry_run: bool = False
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


async def import_list(request: Request) -> Response:
    """POST /admin/users/import"""
    web, who = await operator(request)
    body = await read_json(request, ListBody)
    listed = read_list(body.csv, most=MOST_LISTED, blocked=web.blocked_names)
    if listed.problems:
        raise InvalidList(listed.problems)
    planned = await change(web, who, lambda conn: bulk.plan(conn, listed.users))
    skipped = [SkippedUser(it.line, it.username) for it in planned.there]
    if body.dry_run:
        return JSON(ImportedUsers([_imported(it) for it in planned.new], skipped))
    passwords = [it.password or generate_password() for it in planned.new]
    # One by one, so that logins get in between.
    hashes = [await web.passwords.run(hash_password, it) for it in passwords]
    hashed = list(zip(planned.new, hashes, strict=True))
    user_ids = await change(web, who, lambda conn: bulk.add(conn, hashed, actor=who.actor, reason=body.reason))
    made = [_imported(*it) for it in zip(planned.new, user_ids, passwords, strict=True)]
    return JSON(ImportedUsers(made, skipped), headers={"Cache-Control": "no-store"})


def _imported(user: ListedUser, user_id: UserId | None = None, password: str | None = None) -> ImportedUser:
    shown = password if password is not None and user.password is None else msgspec.UNSET
    return ImportedUser(user.line, user_id, user.username, user.display_name, user.email, shown)
