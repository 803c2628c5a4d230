"""SQL on the names of users: the one they sign in with, and the one that boards show."""

from dataclasses import dataclass

import sqlalchemy as sa

from app.domain.errors import NameTaken
from app.domain.ids import UserId


@dataclass(frozen=True, slots=True)
class LockedNames:
    """A user's names under lock; there is no username once the user is erased."""

    username: str | None
    display_name: str | None
    active: bool
    token_version: int


_LOCK = sa.text("""
    SELECT username, display_name, status = 'active', token_version FROM users WHERE id = :id FOR NO KEY UPDATE
""")


def lock(conn: sa.Connection, user_id: UserId) -> LockedNames | None:
    """Lock a user; None when there is no such user."""
    row = conn.execute(_LOCK, {"id": user_id}).one_or_none()
    return LockedNames(*row) if row else None


_SET = sa.text("""
    UPDATE users SET username = :username, username_key = lower(:username), display_name = :display_name,
        updated_at = now()
    WHERE id = :id
""")


def set_names(conn: sa.Connection, user_id: UserId, username: str, display_name: str | None) -> None:
    """Give a locked user these names.

    Raises:
        NameTaken: when another user has this username; the transaction can't go on.
    """
    try:
        conn.execute(_SET, {"id": user_id, "username": username, "display_name": display_name})
    except sa.exc.IntegrityError:
        raise NameTaken("This username is taken.", field="username") from None
