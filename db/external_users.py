"""SQL on those `users` that another system knows by an id of its own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from app.domain.ids import UserId


@dataclass(frozen=True, slots=True)
class ExternalUser:
    """A user that another system has brought; `total_score` in points."""

    user_id: UserId
    external_id: str
    username: str
    display_name: str | None
    status: Literal["active", "suspended"]
    total_score: int
    created_at: datetime


# Who is erased has no external id.
_FIND = sa.text("""
    SELECT id::text, external_id, username, display_name, status, total_score, created_at FROM users
    WHERE external_id = :external_id
""")


def find(conn: sa.Connection, external_id: str) -> ExternalUser | None:
    """Find the user whom another system knows by this id."""
    row = conn.execute(_FIND, {"external_id": external_id}).one_or_none()
    return ExternalUser(*row) if row else None
