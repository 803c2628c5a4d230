"""SQL on `audit_events`: append-only, except that the name of an erased person is removed."""

import re
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from app.domain.ids import ActionId, UserId
from app.domain.trail import EventKind

_INSERT = sa.text("""
    INSERT INTO audit_events (kind, user_id, action_id, points, reason, actor, details)
    VALUES (:kind, :user_id, :action_id, :points, :reason, :actor, CAST(:details AS jsonb))
    RETURNING at
""")


def record(
    conn: sa.Connection,
    kind: EventKind,
    *,
    actor: str,
    user_id: UserId | None = None,
    action_id: ActionId | None = None,
    points: int | None = None,
    reason: str | None = None,
    **details: Any,
) -> datetime:
    """Append an event and return its time; `actor` is a user id, "system" or "shell"."""
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
_WORDS_OF_PEOPLE = "actor <> 'system' AND (reason IS NOT NULL OR details <> '{}')"
_DETAILS = """CAST(regexp_replace(CAST(details AS text), :words || '(?!": )', :instead, 'gi') AS jsonb)"""
_FORGET_OWN = sa.text(f"""
    UPDATE audit_events SET
        reason = CASE WHEN kind = 'erased' THEN regexp_replace(reason, :words, :instead, 'gi') END, details = {_DETAILS}
    WHERE user_id = :id AND {_WORDS_OF_PEOPLE}
""")
# The next events in the order of the index on them. Looking for words is slow: it is done where the letters are.
_FORGET_NEXT = sa.text(f"""
    WITH next AS MATERIALIZED (
        SELECT id FROM audit_events WHERE {_WORDS_OF_PEOPLE} AND id > :after ORDER BY id LIMIT :limit
    ), changed AS (
        UPDATE audit_events SET
            reason = regexp_replace(reason, :words, :instead, 'gi'), details = {_DETAILS}
        WHERE id = ANY(ARRAY(SELECT id FROM next)) AND (
            strpos(lower(reason), :name) > 0 AND reason ~* :words
            OR strpos(lower(reason), :email) > 0 AND reason ~* :words
            OR details <> '{{}}' AND CAST(details AS text) ~* :words
        )
    )
    SELECT max(id), count(*) FROM next
""")
_INSTEAD = "[erased]"


def forget_own(conn: sa.Connection, user_id: UserId, username: str, email: str) -> None:
    """Take what people wrote about a user out of the user's events.

    With `forget_next` the only change that is ever made to events: what happened, by whom, when and for how many points
    stays.
    """
    conn.execute(_FORGET_OWN, {"id": user_id, **_names(username, email)})


def forget_next(conn: sa.Connection, username: str, email: str, *, after: int, limit: int) -> int | None:
    """Take a user's name and address out of the `limit` events with words that come after an event.

    Returns:
        The last of these events, None when there are no more.
    """
    values = {**_names(username, email), "after": after, "limit": limit}
    last, count = conn.execute(_FORGET_NEXT, values).one()
    return last if count == limit else None


def _names(username: str, email: str) -> dict[str, str]:
    either = "|".join(map(re.escape, (email, username)))
    # Whole words: "bob" is neither in "bobby" nor in "bob-cat", but at the end of "it was bob."
    words = rf"(?<![[:alnum:]_-])(?<![[:alnum:]_-]\.)(?:{either})(?![[:alnum:]_-]|\.[[:alnum:]])"
    return {"name": username.lower(), "email": email.lower(), "words": words, "instead": _INSTEAD}


_TOKENS_CHANGED = sa.text("""
    SELECT statement_timestamp(), coalesce(array_agg(DISTINCT user_id::text), '{}') FROM audit_events
    WHERE at > coalesce(CAST(:since AS timestamptz), statement_timestamp()) - make_interval(secs => :overlap)
        AND kind IN ('suspended', 'reinstated', 'role_changed', 'logged_out', 'erased')
""")


def tokens_changed(conn: sa.Connection, since: datetime | None, *, overlap: float) -> tuple[datetime, list[UserId]]:
    """Find the users whose tokens may have been revoked or become valid again.

    Args:
        since: the database's time of the last look; None for the first.
        overlap: seconds before it that are looked at again, because events may commit late.

    Returns:
        The database's time of this look, and the users.
    """
    now, user_ids = conn.execute(_TOKENS_CHANGED, {"since": since, "overlap": overlap}).one()
    return now, user_ids
