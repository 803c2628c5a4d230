"""SQL that operators read the audit events by, the newest first."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from app.domain.ids import UserId, is_id

# Of each of the conditions there is an index that ends in the id, and no more is read of it than is asked for. The rows
# are bounded and ordered by all of its columns: with `kind = :kind ORDER BY id` PostgreSQL may rather look through
# the newest events for those of the kind, which is all of them when the last one was long ago.
_PAGE = """
    SELECT events.id, kind, user_id::text, users.username, action_id::text, points, reason, actor,
        operators.username AS actor_name, details::text, at
    FROM (
        SELECT * FROM audit_events WHERE ({columns}) < ({before}) {of_these}
        ORDER BY {newest_first} LIMIT :limit
    ) AS events
    LEFT JOIN users ON users.id = events.user_id
    LEFT JOIN users AS operators ON operators.id = CASE WHEN actor ~ '^[0-9a-f-]{{36}}$' THEN CAST(actor AS uuid) END
    ORDER BY events.id DESC
"""
_TYPES = {"user_id": "uuid", "kind": "text", "id": "bigint"}
_AFTER_ALL = 2**63 - 1
_BY_NAME = sa.text("SELECT id::text FROM users WHERE username_key = :key")


def page(
    conn: sa.Connection, *, user_id: UserId | None, kind: str | None, before: int | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Read the newest `limit` events, those of one user or kind or both if given, from before an event's id."""
    return conn.execute(*page_query(user_id, kind, before, limit)).all()


def page_query(
    user_id: UserId | None, kind: str | None, before: int | None, limit: int
) -> tuple[sa.TextClause, dict[str, Any]]:
    """Return the statement of `page`, and its parameters."""
    given = {name: value for name, value in (("user_id", user_id), ("kind", kind)) if value is not None}
    bounds = {name: f"CAST(:{name} AS {_TYPES[name]})" for name in (*given, "id")}
    of_these = f"AND ({', '.join(given)}) >= ({', '.join(bounds[name] for name in given)})" if given else ""
    statement = _PAGE.format(
        columns=", ".join(bounds),
        before=", ".join(bounds.values()),
        of_these=of_these,
        newest_first=", ".join(f"{name} DESC" for name in bounds),
    )
    return sa.text(statement), {**given, "id": _AFTER_ALL if before is None else before, "limit": limit}


def user_named(conn: sa.Connection, name_or_id: str) -> UserId | None:
    """Find a user by username or id; an id needs no user."""
    if is_id(name_or_id):
        return UserId(name_or_id)
    return conn.execute(_BY_NAME, {"key": name_or_id.lower()}).scalar()
