"""Users of another system, found by its own id for them, and made when it is seen for the first time."""

import msgspec
import sqlalchemy as sa

from app.accounts.create import NewUser, create_user, create_user_named_like
from app.board import rename
from app.domain.board_rules import BoardRules
from app.domain.errors import BlockedName, NameTaken, Unavailable
from app.domain.names import BlockedNames
from app.domain.users import InvalidUser
from db import external_users
from db.external_users import ExternalUser

LONGEST = 200
"""Characters of an external id."""


def check_external_id(text: str) -> str:
    """Return an id of another system, which is taken as it is: two that differ in anything are two users.

    Raises:
        InvalidUser: when it is too long, or has characters that nobody sees.
    """
    # The replacement character stands for bytes that were no UTF-8, so that many ids would become one.
    if not 1 <= len(text) <= LONGEST or not text.isprintable() or "\N{REPLACEMENT CHARACTER}" in text:
        raise InvalidUser(f"externalId: 1 to {LONGEST} printable characters, URL-encoded as UTF-8.")
    return text


def find_or_make(
    conn: sa.Connection,
    rules: BoardRules,
    blocked: BlockedNames,
    external_id: str,
    *,
    username: str | None,
    display_name: str | msgspec.UnsetType | None,
    actor: str,
) -> tuple[ExternalUser, bool, bool]:
    """Find the user with an external id, under the names that are given, or make one.

    Args:
        username: a checked one; None: it stays, and a new user gets one that resembles the external id.
        display_name: in the form that its own rules gave it; None takes it away, UNSET: it stays.

    Returns:
        The user, whether it was made, and whether a user who was there was renamed.

    Raises:
        NameTaken: when another user has the username.
    """
    found = external_users.find(conn, external_id)
    if found is None:
        shown = None if display_name is msgspec.UNSET else display_name
        try:
            _make(conn, blocked, external_id, username=username, display_name=shown, actor=actor)
            return _there(conn, external_id), True, False
        except NameTaken as error:
            if error.field != "externalId":
                raise
            # Another request has made this user in the meantime.
            found = _there(conn, external_id)
    if not rename.rename(
        conn, rules, found.user_id, username=username, display_name=display_name, actor=actor, reason=None
    ):
        return found, False, False
    return _there(conn, external_id), False, True


def _make(
    conn: sa.Connection,
    blocked: BlockedNames,
    external_id: str,
    *,
    username: str | None,
    display_name: str | None,
    actor: str,
) -> None:
    if username is not None:
        new = NewUser(username, display_name=display_name, external_id=external_id)
        create_user(conn, new, actor=actor)
        return
    # Boards are public: of what may be an address only the part before the @ is shown.
    wanted = external_id.partition("@")[0]
    try:
        blocked.check(username=wanted)
    except BlockedName:
        wanted = ""
    new = NewUser("unnamed", display_name=display_name, external_id=external_id)
    create_user_named_like(conn, wanted, new, actor=actor)


def _there(conn: sa.Connection, external_id: str) -> ExternalUser:
    found = external_users.find(conn, external_id)
    if found is None:  # erased in this very moment
        raise Unavailable("This user is changing right now.")
    return found
