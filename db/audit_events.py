"""SQL on `audit_events`: append-only, except that the name of an erased person is removed."""

import re
from collections.abc import Sequence
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


# Rules and numbers that the service wrote itself name nobody.
_WORDS_OF_PEOPLE = "actor <> 'system' AND (reason IS NOT NULL OR details <> '{}')"
# In details the keys are ours, and of the values only strings are words.
_DETAILS = """(
    SELECT coalesce(jsonb_object_agg(key, CASE jsonb_typeof(value)
        WHEN 'string' THEN to_jsonb(regexp_replace(value #>> '{}', :words, :instead, 'gi')) ELSE value
    END), '{}') FROM jsonb_each(details)
)"""
_EARLIER_NAMES = sa.text("""
    SELECT DISTINCT value FROM audit_events CROSS JOIN jsonb_each_text(details)
    WHERE user_id = :id AND kind = 'renamed' AND value IS NOT NULL LIMIT 200
""")
_FORGET_OWN = sa.text(f"""
    UPDATE audit_events SET
        reason = CASE WHEN kind = 'erased' THEN regexp_replace(reason, :words, :instead, 'gi') END,
        details = CASE WHEN kind = 'renamed' THEN '{{}}' ELSE {_DETAILS} END
    WHERE user_id = :id AND {_WORDS_OF_PEOPLE}
""")
# The next events in the order of the index on them. Looking for words is slow: it is done where the letters are.
_FORGET_NEXT = sa.text(f"""
    WITH next AS MATERIALIZED (
        SELECT id FROM audit_events WHERE {_WORDS_OF_PEOPLE} AND id > :after ORDER BY id LIMIT :limit
    ), changed AS (
        UPDATE audit_events SET
            reason = regexp_replace(reason, :words, :instead, 'gi'), details = {_DETAILS}
        WHERE id = ANY(ARRAY(SELECT id FROM next)) AND EXISTS (
            SELECT 1 FROM (SELECT reason UNION ALL SELECT value FROM jsonb_each_text(details)) AS written(words)
            CROSS JOIN unnest(CAST(:names AS text[])) AS name
            WHERE strpos(lower(written.words), lower(name)) > 0 AND written.words ~* :words
        )
    )
    SELECT max(id), count(*) FROM next
""")
INSTEAD = "[erased]"


def earlier_names(conn: sa.Connection, user_id: UserId) -> list[str]:
    """Return the names that an operator has taken from a user, and has given."""
    return list(conn.execute(_EARLIER_NAMES, {"id": user_id}).scalars())


def forget_own(conn: sa.Connection, user_id: UserId, names: Sequence[str]) -> None:
    """Take what people wrote about a user, and the user's earlier names, out of the user's events.

    With `forget_next` the only change that is ever made to events: what happened, by whom, when and for how many points
    stays.
    """
    conn.execute(_FORGET_OWN, {"id": user_id, "words": words_of(names), "instead": INSTEAD})


def forget_next(conn: sa.Connection, names: Sequence[str], *, after: int, limit: int) -> int | None:
    """Take a user's names and address out of the `limit` events with words that come after an event.

    Returns:
        The last of these events, None when there are no more.
    """
    values = {"names": list(names), "words": words_of(names), "instead": INSTEAD, "after": after, "limit": limit}
    last, count = conn.execute(_FORGET_NEXT, values).one()
    return last if count == limit else None


def words_of(names: Sequence[str]) -> str:
    """Return a regular expression that finds any of the names, the longest first."""
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    # Whole words: "bob" is neither in "bobby" nor in "bob-cat", but at the end of "it was bob."
    return rf"(?<![[:alnum:]_-])(?<![[:alnum:]_-]\.)(?:{either})(?![[:alnum:]_-]|\.[[:alnum:]])"


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
