"""SQL on `audit_events`: append-only, but for the words that name an erased person."""

import re
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


# Rules and numbers that the service wrote itself name nobody. In details only values are words, the keys are ours.
# Looking for words is slow, so that it is done only where the letters are.
_FORGET = sa.text("""
    UPDATE audit_events SET
        reason = CASE WHEN user_id = :id AND kind <> 'erased' THEN NULL
            ELSE regexp_replace(reason, :words, :instead, 'gi') END,
        details = CAST(regexp_replace(CAST(details AS text), :words || '(?!": )', :instead, 'gi') AS jsonb)
    WHERE actor <> 'system' AND (reason IS NOT NULL OR details <> '{}')
        AND (
            user_id = :id
            OR strpos(lower(reason), :name) > 0 AND reason ~* :words
            OR strpos(lower(reason), :email) > 0 AND reason ~* :words
            OR details <> '{}' AND CAST(details AS text) ~* :words
        )
""")
_INSTEAD = "[erased]"


def forget(conn: sa.Connection, user_id: UserId, username: str, email: str) -> None:
    """Take what people wrote about a user out of the user's events, and the user's name and address out of all others.

    The only change that is ever made to events: what happened, by whom, when and for how many points stays.
    """
    either = "|".join(map(re.escape, (email, username)))
    # Whole words: "bob" is neither in "bobby" nor in "bob-cat", but at the end of "it was bob."
    words = rf"(?<![[:alnum:]_-])(?<![[:alnum:]_-]\.)(?:{either})(?![[:alnum:]_-]|\.[[:alnum:]])"
    values = {"id": user_id, "name": username.lower(), "email": email.lower(), "words": words, "instead": _INSTEAD}
    conn.execute(_FORGET, values)


_TOKENS_CHANGED = sa.text("""
    SELECT statement_timestamp(), coalesce(array_agg(DISTINCT user_id::text), '{}') FROM audit_events
    WHERE at > coalesce(CAST(:since AS timestamptz), statement_timestamp()) - make_interval(secs => :overlap)
        AND kind IN ('suspended', 'reinstated', 'role_changed', 'logged_out', 'erased')
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
