"""The name that boards show: a player's own choice."""

from typing import Annotated

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.access.admission import Admission
from app.board import rename as renaming
from app.domain.errors import Malformed
from app.domain.names import LONGEST_BYTES, check_display_name
from app.domain.users import InvalidUser
from app.http.answers import read_json
from app.routes.account import own_user
from app.routes.guards import own_path

# It only describes: what is wrong is told in words by app.domain.names.
DisplayName = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": LONGEST_BYTES})]


class NamesBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The display name to show on boards; null takes it away."""

    display_name: DisplayName | None


async def change(request: Request) -> Response:
    """PATCH /users/:userId"""
    caller = await own_path(request, Admission.write, "users")
    web, user_id = caller.web, caller.user_id
    body = await read_json(request, NamesBody)
    display_name = checked(body.display_name)
    web.blocked_names.check(display_name=display_name)

    def set_name(conn: sa.Connection) -> bool:
        if caller.key is not None:
            return renaming.rename(
                conn, web.board_rules, user_id, display_name=display_name, actor=caller.actor, reason=None
            )
        return renaming.set_display_name(
            conn, web.board_rules, user_id, display_name, token_version=caller.token_version
        )

    changed = await web.transaction(set_name)
    if changed:
        await web.publish_boards()
    return await own_user(web, user_id)


def checked(display_name: str | None) -> str | None:
    """Return a display name in the form in which it is stored.

    Raises:
        Malformed: when it breaks the rules for display names.
    """
    try:
        return None if display_name is None else check_display_name(display_name)
    except InvalidUser as error:
        raise Malformed(str(error)) from None
