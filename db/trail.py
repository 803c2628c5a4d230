"""SQL that operators read the audit events by, the newest first."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from app.domain.ids import UserId, is_id

# Each of the conditions has an index that ends in the id: no more is read than is asked for.
_PAGE = sa.text("""
    SELECT events.id, kind, user_id::text, users.username, action_id::text, points, reason, actor,
        operators.username AS actor_name, details::text, at
    FROM (
        SELECT * FROM audit_events
        WHERE (CAST(:user AS uuid) IS NULL OR user_id = CAST(:user AS uuid))
            AND (CAST(:kind AS text) IS NULL OR kind = CAST(:kind AS text))
            AND (CAST(:before AS bigint) IS NULL OR id < CAST(:before AS bigint))
        ORDER BY id DESC LIMIT :limit
    ) AS events
    LEFT JOIN users ON users.id = events.user_id
    LEFT JOIN users AS operators ON operators.id = CASE WHEN actor ~ '^[0-9a-f-]{36}$' THEN CAST(actor AS uuid) END
    ORDER BY events.id DESC
""")
_BY_NAME = sa.text("SELECT id::text FROM users WHERE username_key = :key")


def page(
    conn: sa.Connection, *, user_id: UserId | None, kind: str | None, before: int | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Read the newest `limit` events, those of one user or kind or both if given, from before an event's id."""
    return conn.execute(_PAGE, {"user": user_id, "kind": kind, "before": before, "limit": limit}).all()


def user_named(conn: sa.Connection, name_or_id: str) -> UserId | None:
    """Find a user by username or id; an id needs no user."""
    if is_id(name_or_id):
        return UserId(name_or_id)
    return conn.execute(_BY_NAME, {"key": name_or_id.lower()}).scalar()
