"""SQL that reads what a message to a webhook says, when it is sent: names are those of now."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from app.domain.ids import ActionId, BoardId, UserId


class Person(NamedTuple):
    """The names of a user who may be named."""

    username: str
    display_name: str | None


class Ended(NamedTuple):
    """What a completed action was."""

    type: str
    end_at: datetime | None


_PERSON = sa.text("""
    SELECT username, display_name FROM users WHERE id = :id AND NOT hidden AND status <> 'erased'
""")
_ACTION = sa.text("SELECT type, end_at FROM actions WHERE id = :id")
_BOUNDS = sa.text("SELECT starts_at, ends_at FROM boards WHERE id = :id")


def person(conn: sa.Connection, user_id: UserId) -> Person | None:
    """Read a user's names; None of who is hidden, or erased."""
    row = conn.execute(_PERSON, {"id": user_id}).one_or_none()
    return Person(*row) if row else None


def action(conn: sa.Connection, action_id: ActionId) -> Ended | None:
    """Read an action's type and end."""
    row = conn.execute(_ACTION, {"id": action_id}).one_or_none()
    return Ended(*row) if row else None


def bounds(conn: sa.Connection, board_id: BoardId) -> tuple[datetime | None, datetime | None]:
    """Read from when to when what ends counts on a board or period."""
    row = conn.execute(_BOUNDS, {"id": board_id}).one_or_none()
    return (row[0], row[1]) if row else (None, None)
