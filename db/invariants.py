"""SQL that counts what must never be. Each function runs in the caller's snapshot."""

from collections.abc import Sequence

import sqlalchemy as sa

from app.domain.ids import BoardId, UserId
from db.outbox import RECORDED
from db.shown import SHOWN

_ALL, _SOME = "", "AND {column} = ANY(CAST(:users AS uuid[]))"

_WRONG_TOTALS = """
    SELECT count(*) FROM users
    LEFT JOIN (
        SELECT user_id, sum(score) AS points FROM actions
        WHERE status = 'completed' AND settlement <> 'reversed' {of_actions} GROUP BY user_id
    ) AS earned ON earned.user_id = users.id
    LEFT JOIN (
        SELECT user_id, sum(points) AS points FROM audit_events WHERE kind = 'adjusted' {of_events} GROUP BY user_id
    ) AS adjusted ON adjusted.user_id = users.id
    WHERE total_score <> coalesce(earned.points, 0) + coalesce(adjusted.points, 0) {of_users}
"""

_WRONG_STANDINGS = """
    SELECT count(*) FROM (
        SELECT user_id, sum(points) AS score, max(at) AS reached_at FROM (
            SELECT user_id, score AS points, end_at AS at FROM actions
            WHERE settlement = 'cleared' AND score <> 0 {of_actions}
            UNION ALL
            SELECT user_id, points, at FROM audit_events WHERE kind = 'adjusted' AND points <> 0 {of_events}
        ) AS counted GROUP BY user_id
    ) AS sums
    FULL JOIN (
        SELECT user_id, score, reached_at FROM standings WHERE board_id = :board {of_standings}
    ) AS standing USING (user_id)
    WHERE (sums.score, sums.reached_at) IS DISTINCT FROM (standing.score, standing.reached_at)
"""


def _query(template: str, users: Sequence[UserId] | None) -> sa.TextClause:
    among = _ALL if users is None else _SOME
    return sa.text(
        template.format(
            of_actions=among.format(column="user_id"),
            of_events=among.format(column="user_id"),
            of_standings=among.format(column="user_id"),
            of_users=among.format(column="users.id"),
        )
    )


def wrong_totals(conn: sa.Connection, users: Sequence[UserId] | None = None) -> int:
    """Count users whose total is not the sum of their actions and adjustments."""
    return int(conn.execute(_query(_WRONG_TOTALS, users), {"users": list(users or [])}).scalar_one())


def wrong_standings(conn: sa.Connection, board_id: BoardId, users: Sequence[UserId] | None = None) -> int:
    """Count users whose standing is not the sum of what is cleared, or not reached when the last of it was."""
    values = {"board": board_id, "users": list(users or [])}
    return int(conn.execute(_query(_WRONG_STANDINGS, users), values).scalar_one())


# The newest event about an action must agree with what the action says of itself.
_WRONG_SETTLEMENTS = sa.text("""
    SELECT count(*) FROM (
        SELECT DISTINCT ON (action_id) action_id, kind FROM audit_events
        WHERE action_id IS NOT NULL AND at > now() - make_interval(hours => :hours)
        ORDER BY action_id, id DESC
    ) AS last
    JOIN actions ON actions.id = last.action_id
    WHERE actions.settlement IS DISTINCT FROM CASE last.kind WHEN 'released' THEN 'cleared' ELSE last.kind END
""")


def wrong_settlements(conn: sa.Connection, *, hours: int) -> int:
    """Count actions that were held, released or reversed within so many hours and don't say so."""
    return int(conn.execute(_WRONG_SETTLEMENTS, {"hours": hours}).scalar_one())


_WRONG_TOP = sa.text(f"""
    SELECT count(*) FROM (
        SELECT row_number() OVER (ORDER BY score DESC, reached_at, user_id) AS rank, * FROM (
            SELECT user_id, username, display_name, score, reached_at FROM standings JOIN users ON users.id = user_id
            WHERE board_id = :board AND score > 0 AND {SHOWN}
            ORDER BY score DESC, reached_at, user_id LIMIT 10
        ) AS first_ten
    ) AS it
    FULL JOIN (SELECT * FROM top_scores WHERE board_id = :board) AS shown USING (rank)
    WHERE (it.user_id, it.username, it.display_name, it.score)
        IS DISTINCT FROM (shown.user_id, shown.username, shown.display_name, shown.score)
""")


def wrong_top(conn: sa.Connection, board_id: BoardId) -> int:
    """Count places of the board that are not as the standings have them."""
    return int(conn.execute(_WRONG_TOP, {"board": board_id}).scalar_one())


# Without the mark of the outbox, which may be wrong itself.
_UNSETTLED = sa.text(f"""
    SELECT count(*) FROM actions
    WHERE status = 'completed' AND settled_at IS NULL AND {RECORDED} < clock_timestamp() - make_interval(secs => :age)
""")


def unsettled(conn: sa.Connection, *, age: float) -> int:
    """Count actions whose completion was recorded over `age` seconds ago and are not settled."""
    return int(conn.execute(_UNSETTLED, {"age": age}).scalar_one())


_USERS_AFTER = sa.text("""
    SELECT id::text FROM users WHERE CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid) ORDER BY id LIMIT :limit
""")


def users_after(conn: sa.Connection, after: UserId | None, *, limit: int) -> list[UserId]:
    """Return the next users in the order of their ids."""
    return list(conn.execute(_USERS_AFTER, {"after": after, "limit": limit}).scalars())
