"""Renames users. The boards show a new name at once: it is a new version of each board that shows the user.

Lock order: users, boards.
"""

from typing import Any

import msgspec
import sqlalchemy as sa

from app.board import top
from app.board.correct import WrongState
from app.domain.board_rules import BoardRules
from app.domain.errors import NotFound, Suspended, Unauthorized
from app.domain.ids import UserId
from db import audit_events, names


def rename(
    conn: sa.Connection,
    rules: BoardRules,
    user_id: UserId,
    *,
    username: str | None = None,
    display_name: str | msgspec.UnsetType | None = msgspec.UNSET,
    actor: str,
    reason: str | None,
) -> bool:
    """Give a user other names, and record the old and the new ones.

    Args:
        username: a checked one; None: it stays.
        display_name: as `check_display_name` returned it; None takes it away, UNSET: it stays.

    Returns:
        False when the user has these names already.

    Raises:
        NotFound, WrongState: when there is no such user, or the user was erased.
        NameTaken: when another user has the username.
    """
    old = names.lock(conn, user_id)
    if old is None:
        raise NotFound("There is no such user.")
    if old.username is None:
        raise WrongState("This user was erased.")
    new_username = old.username if username is None else username
    new_display_name = old.display_name if display_name is msgspec.UNSET else display_name
    details: dict[str, Any] = {}
    if new_username != old.username:
        details |= {"oldUsername": old.username, "newUsername": new_username}
    if new_display_name != old.display_name:
        details |= {"oldDisplayName": old.display_name, "newDisplayName": new_display_name}
    if not details:
        return False
    names.set_names(conn, user_id, new_username, new_display_name)
    audit_events.record(conn, "renamed", actor=actor, user_id=user_id, reason=reason, **details)
    top.refresh_shown(conn, rules, user_id)
    return True


def set_display_name(
    conn: sa.Connection,
    rules: BoardRules,
    user_id: UserId,
    display_name: str | None,
    *,
    token_version: int | None,
) -> bool:
    """Set the display name that a player has chosen, or take it away.

    Args:
        token_version: the version that the player's tokens must still have; None: no token is asked for.

    Returns:
        False when it is the player's already.

    Raises:
        Unauthorized, Suspended: when the token ended, or the player is suspended.
    """
    player = names.lock(conn, user_id)
    if player is None or player.username is None or token_version not in (None, player.token_version):
        raise Unauthorized("The token is no longer valid.")
    if not player.active:
        raise Suspended("This account is suspended.")
    if player.display_name == display_name:
        return False
    names.set_names(conn, user_id, player.username, display_name)
    top.refresh_shown(conn, rules, user_id)
    return True
