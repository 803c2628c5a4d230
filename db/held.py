"""SQL on what waits for an operator, player by player."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from app.domain.ids import UserId

SHOWN = 20
"""Held actions of one player that are shown, the newest."""
COUNTED = 1000
"""Held actions of one player that are counted."""
MINUTES_OF = 500
"""A player's newest completions that say what a usual minute is."""

# From one player to the next by the index on held actions, however many each has.
HELD_USERS = """
    WITH RECURSIVE held(user_id) AS (
        (
            SELECT user_id FROM actions
            WHERE settlement = 'held' AND (CAST(:before AS uuid) IS NULL OR user_id < CAST(:before AS uuid))
            ORDER BY user_id DESC LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT actions.user_id FROM actions WHERE settlement = 'held' AND actions.user_id < held.user_id
            ORDER BY actions.user_id DESC LIMIT 1
        ) FROM held WHERE held.user_id IS NOT NULL
    )
    SELECT user_id FROM held WHERE user_id IS NOT NULL LIMIT :limit
"""
_USUAL = f"""
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY completions) AS completions,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY points) AS points
    FROM (
        SELECT count(*) AS completions, sum(score) AS points FROM (
            SELECT end_at, score FROM actions
            WHERE user_id = users.id AND end_at IS NOT NULL AND settlement = 'cleared'
            ORDER BY end_at DESC LIMIT {MINUTES_OF}
        ) AS newest
        GROUP BY date_trunc('minute', end_at)
    ) AS minutes
"""
_PLAYERS = sa.text(f"""
    SELECT users.id::text, users.username, users.display_name, waiting.held, waiting.points,
        usual.completions, usual.points
    FROM ({HELD_USERS}) AS these JOIN users ON users.id = these.user_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS held, CAST(sum(score) AS bigint) AS points FROM (
            SELECT score FROM actions WHERE user_id = users.id AND settlement = 'held' ORDER BY id DESC LIMIT {COUNTED}
        ) AS own
    ) AS waiting
    CROSS JOIN LATERAL ({_USUAL}) AS usual
    ORDER BY users.id DESC
""")
_ACTIONS = sa.text(f"""
    SELECT own.user_id::text, own.id::text, own.type, own.score, own.end_at, host(own.client_ip),
        verdict.reason, verdict.details::text
    FROM unnest(CAST(:users AS uuid[])) AS these(user_id)
    CROSS JOIN LATERAL (
        SELECT * FROM actions WHERE actions.user_id = these.user_id AND settlement = 'held'
        ORDER BY actions.id DESC LIMIT {SHOWN}
    ) AS own
    LEFT JOIN LATERAL (
        SELECT reason, details FROM audit_events
        WHERE audit_events.action_id = own.id AND kind = 'held' ORDER BY audit_events.id DESC LIMIT 1
    ) AS verdict ON true
    ORDER BY own.user_id, own.id DESC
""")


def players(conn: sa.Connection, *, before: str | None, limit: int) -> Sequence[sa.Row[Any]]:
    """Read the players who have held actions, the newest player first: how many, for how much, and what is usual."""
    return conn.execute(_PLAYERS, {"before": before, "limit": limit}).all()


def actions_of(conn: sa.Connection, user_ids: Sequence[UserId]) -> Sequence[sa.Row[Any]]:
    """Read these players' newest held actions, each with its newest verdict and the address that it came from."""
    return conn.execute(_ACTIONS, {"users": list(user_ids)}).all()
