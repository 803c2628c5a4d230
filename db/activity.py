"""SQL on how much was played lately, minute by minute."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

MOST = 2000
"""Completions of one minute that are read; where there were more, the numbers are lower bounds."""

# Each minute by the index on what counts, from its end. What is not settled yet, held or reversed is not counted.
_ACTIVITY = sa.text(f"""
    WITH read AS MATERIALIZED (
        SELECT minute.at, own.user_id, own.score
        FROM generate_series(
            date_trunc('minute', now()) - make_interval(mins => CAST(:minutes AS int) - 1),
            date_trunc('minute', now()), interval '1 minute'
        ) AS minute(at)
        LEFT JOIN LATERAL (
            SELECT user_id, score FROM actions
            WHERE settlement = 'cleared' AND end_at >= minute.at AND end_at < minute.at + interval '1 minute'
            ORDER BY end_at DESC LIMIT {MOST} + 1
        ) AS own ON true
    )
    SELECT at, count(DISTINCT user_id) AS players, count(user_id) AS completions,
        CAST(coalesce(sum(score), 0) AS bigint) AS points
    FROM read GROUP BY GROUPING SETS ((at), ()) ORDER BY at NULLS LAST
""")


def minutes(conn: sa.Connection, minutes: int) -> Sequence[sa.Row[Any]]:
    """Count players, completions and points of each of the last minutes, the present one last; then of all together.

    The last row has no moment.
    """
    return conn.execute(_ACTIVITY, {"minutes": minutes}).all()
