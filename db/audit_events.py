"""SQL on `audit_events`: append-only."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from app.domain.ids import ActionId, UserId

_INSERT = sa.text("""
    INSERT INTO audit_events (kind, user_id, action_id, points, reason, actor, details)
    VALUES (:kind, :user_id, :action_id, :points, :reason, :actor, CAST(:details AS jsonb))
    RETURNING at
""")


def record(
    conn: sa.Connection,
    kind: str,
    *,
    actor: str,
    user_id: UserId | None = None,
    action_id: ActionId | None = None,
    points: int | None = None,
    reason: str | None = None,
    **details: Any,
) -> datetime:
    """Append an event, and give its time; `actor` is a user id, "system" or "shell"."""
    values = {
        "kind": kind,
        "user_id": user_id,
        "action_id": action_id,
        "points": points,
        "reason": reason,
        "actor": actor,
        "details": msgspec.json.encode(details).decode(),
    }
    at: datetime = conn.execute(_INSERT, values).scalar_one()
    return at


_TOKENS_CHANGED = sa.text("""
    SELECT statement_timestamp(), coalesce(array_agg(DISTINCT user_id::text), '{}') FROM audit_events
    WHERE at > coalesce(CAST(:since AS timestamptz), statement_timestamp()) - make_interval(secs => :overlap)
        AND kind IN ('suspended', 'reinstated', 'role_changed', 'logged_out')
""")


def tokens_changed(conn: sa.Connection, since: datetime | None, *, overlap: float) -> tuple[datetime, list[UserId]]:
    """Find the users whose tokens may have lost or gained their worth.

    Args:
        since: the database's time of the last look; None for the first.
        overlap: seconds before it that are looked at again, because events may commit late.

    Returns:
        The database's time of this look, and the users.
    """
    now, user_ids = conn.execute(_TOKENS_CHANGED, {"since": since, "overlap": overlap}).one()
    return now, user_ids
