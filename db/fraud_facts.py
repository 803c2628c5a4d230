"""SQL that gathers what the fraud rules look at, for a whole batch of claimed actions at once."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from app.domain.fraud import WINDOW, Facts
from app.domain.ids import ActionId, UserId
from db import marks
from db.driver import fetch, send_with_next
from db.prepared import prepared

HISTORY = 500
"""A user's last completions that the history is made of."""

_CLAIMED = """
    unnest(CAST(:ids AS uuid[]), CAST(:users AS uuid[]), CAST(:ends AS timestamptz[])) AS claimed(id, user_id, end_at)
"""

# Of the windows that end with the action or with a later one of its user, less than a window after it. A frame of
# RANGE includes both its ends, a window only the later one: a microsecond, the least there is, is taken off.
_FULLEST_WINDOWS = prepared(
    "fullest_windows",
    f"""
    SELECT claimed.id::text, max(own.completions), max(own.points) FROM {_CLAIMED}
    CROSS JOIN LATERAL (
        SELECT actions.end_at, count(*) OVER last_window AS completions, sum(score) OVER last_window AS points
        FROM actions
        WHERE actions.user_id = claimed.user_id AND score IS NOT NULL
            AND actions.end_at > claimed.end_at - make_interval(secs => :window)
            AND actions.end_at < claimed.end_at + make_interval(secs => :window)
        WINDOW last_window AS (
            ORDER BY actions.end_at RANGE BETWEEN make_interval(secs => :window - 0.000001) PRECEDING AND CURRENT ROW
        )
    ) AS own
    WHERE own.end_at >= claimed.end_at
    GROUP BY claimed.id
""",
)


def fullest_windows(conn: sa.Connection, late: Sequence[Facts]) -> dict[ActionId, tuple[int, int]]:
    """Count each late action's user's completions, and their points, in the fullest window that the action lies in.

    That ends with the action, or with a later one.
    """
    if not late:
        return {}
    rows = fetch(conn, _FULLEST_WINDOWS, {**_values(late), "window": WINDOW})
    return {action_id: (completions, int(points)) for action_id, completions, points in rows}


# A player has few actions, on average: the planner would read all of each partition, and sort them, rather than merge
# the partitions' indexes and stop. Who has played most would have all of it read for each action.
_UNSORTED, _SORTED = sa.text("SET LOCAL enable_sort = off"), sa.text("SET LOCAL enable_sort = on")
_MINUTES = prepared(
    "minutes",
    f"""
    SELECT claimed.id::text, array_agg(minutes.points) FROM {_CLAIMED}
    CROSS JOIN LATERAL (
        SELECT sum(score)::bigint AS points FROM (
            SELECT score, end_at FROM actions
            WHERE actions.user_id = claimed.user_id AND score IS NOT NULL
                AND actions.end_at <= claimed.end_at - make_interval(secs => :window)
            ORDER BY end_at DESC LIMIT :history
        ) AS last GROUP BY date_trunc('minute', end_at) HAVING sum(score) > 0
    ) AS minutes
    GROUP BY claimed.id
""",
)


def minutes(conn: sa.Connection, claimed: Sequence[Facts]) -> dict[ActionId, list[int]]:
    """Sum the points of each minute with points, of each action's user's last completions before the window."""
    if not claimed:
        return {}
    send_with_next(conn, _UNSORTED, {})
    rows = fetch(conn, _MINUTES, {**_values(claimed), "window": WINDOW, "history": HISTORY})
    send_with_next(conn, _SORTED, {})
    return {action_id: points for action_id, points in rows}


# Only who has had an action held since the last look can have come to be due; each of them is counted by the index on
# user and time. A range that is closed on both sides is taken for a small one by the planner. Held actions that an
# operator has released since, and those from before a reinstatement, don't count.
_SINCE_THE_MARK = f"""
    SELECT user_id, at FROM audit_events
    WHERE kind = 'held' AND at <= now()
        AND at >= greatest({marks.AT.format(name=marks.HELD)}, now() - interval '24 hours')
    ORDER BY at LIMIT :limit
"""
_THESE = "SELECT user_id, now() AS at FROM unnest(CAST(:users AS uuid[])) AS these(user_id)"
_DUE_FOR_SUSPENSION = """
    WITH looked_at AS MATERIALIZED ({looked_at})
    SELECT reached.at, due.user_id, due.held
    FROM (SELECT CASE WHEN count(*) = :limit THEN max(at) END AS at FROM looked_at) AS reached
    LEFT JOIN (
        SELECT candidates.user_id::text, own.held FROM (SELECT DISTINCT user_id FROM looked_at) AS candidates
        JOIN users ON users.id = candidates.user_id AND users.status = 'active'
        CROSS JOIN LATERAL (
            SELECT count(DISTINCT events.action_id) AS held FROM (
                SELECT *, max(at) FILTER (WHERE kind = 'reinstated') OVER () AS reinstated_at FROM audit_events
                WHERE user_id = candidates.user_id AND at > now() - interval '24 hours'
            ) AS events
            JOIN actions ON actions.id = events.action_id AND actions.settlement <> 'cleared'
            WHERE events.kind = 'held' AND (reinstated_at IS NULL OR events.at > reinstated_at)
                AND NOT events.details->>'rule' = ANY(:excused)
        ) AS own
        WHERE own.held >= :held
    ) AS due ON true
"""
_DUE_SINCE_THE_MARK = sa.text(_DUE_FOR_SUSPENSION.format(looked_at=_SINCE_THE_MARK))
_DUE_OF_THESE = sa.text(_DUE_FOR_SUSPENSION.format(looked_at=_THESE))


def due_of_these(
    conn: sa.Connection, user_ids: Collection[UserId], *, held: int, excused: Sequence[str]
) -> dict[UserId, int]:
    """Find who of these users is active and has at least `held` held actions in 24 hours, and how many."""
    values = {"users": list(user_ids), "held": held, "excused": list(excused), "limit": -1}
    return {user_id: count for _, user_id, count in conn.execute(_DUE_OF_THESE, values) if user_id is not None}


def due_for_suspension(
    conn: sa.Connection, *, held: int, excused: Sequence[str], limit: int = 5000
) -> tuple[dict[UserId, int], datetime | None]:
    """Find active users with at least `held` held actions in 24 hours, and how many they have.

    Those are looked at who are in the first `limit` events of held actions since the mark `HELD`.

    Returns:
        The users, and the time of the last of these events if there may be more.
    """
    rows = conn.execute(_DUE_SINCE_THE_MARK, {"held": held, "excused": list(excused), "limit": limit}).all()
    return {user_id: count for _, user_id, count in rows if user_id is not None}, rows[0].at


def _values(claimed: Sequence[Facts]) -> dict[str, object]:
    return {
        "ids": [facts.action_id for facts in claimed],
        "users": [facts.user_id for facts in claimed],
        "ends": [facts.end_at for facts in claimed],
    }
