"""SQL that counts what must never be. Each function runs in the caller's snapshot."""

from collections.abc import Sequence

import sqlalchemy as sa

from app.domain.board_rules import BoardRule, BoardRules
from app.domain.ids import UserId
from db import counted
from db.freezes import FROZEN
from db.order import KEY, LISTED
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
        SELECT user_id, sum(score) AS points FROM archived_scores WHERE board = '' {of_archived} GROUP BY user_id
    ) AS archived ON archived.user_id = users.id
    LEFT JOIN (
        SELECT user_id, sum(points) AS points FROM audit_events WHERE kind = 'adjusted' {of_events} GROUP BY user_id
    ) AS adjusted ON adjusted.user_id = users.id
    WHERE total_score <> coalesce(earned.points, 0) + coalesce(archived.points, 0) + coalesce(adjusted.points, 0)
        {of_users}
"""


def _query(template: str, users: Sequence[UserId] | None) -> sa.TextClause:
    among = _ALL if users is None else _SOME
    return sa.text(
        template.format(
            of_actions=among.format(column="user_id"),
            of_archived=among.format(column="user_id"),
            of_events=among.format(column="user_id"),
            of_standings=among.format(column="user_id"),
            of_users=among.format(column="users.id"),
        )
    )


def wrong_totals(conn: sa.Connection, users: Sequence[UserId] | None = None) -> int:
    """Count users whose total is not the sum of their actions and adjustments."""
    return int(conn.execute(_query(_WRONG_TOTALS, users), {"users": list(users or [])}).scalar_one())


_WRONG_STANDINGS = """
    SELECT count(*) FROM ({record}) AS record FULL JOIN (
        SELECT * FROM standings WHERE board_id IN (SELECT id FROM boards WHERE board = :of) {of_users}
    ) AS standing USING (board_id, user_id)
    WHERE (record.score, record.reached_at, :combine, :lowest, :valued)
        IS DISTINCT FROM (standing.score, standing.reached_at, standing.combine, standing.lowest, standing.valued)
"""


def wrong_standings(conn: sa.Connection, rule: BoardRule, users: Sequence[UserId] | None = None) -> int:
    """Count standings of a board, in all its periods, that are not what counts makes them."""
    record = counted.in_all_periods(rule, users)
    of_users = "" if users is None else "AND user_id = ANY(CAST(:users AS uuid[]))"
    statement = sa.text(_WRONG_STANDINGS.format(record=record.sql, of_users=of_users))
    own = {"of": rule.id, "combine": rule.by, "lowest": rule.lowest, "valued": rule.valued}
    return int(conn.execute(statement, record.values | own).scalar_one())


_WRONG_MARKS = f"""
    SELECT count(*) FROM users JOIN standings ON standings.user_id = users.id {{of_boards}}
    WHERE standings.hidden = {SHOWN} {{of_users}}
"""
_WRONG_MARKS_OF_ALL = sa.text(_WRONG_MARKS.format(of_boards="", of_users=""))
_WRONG_MARKS_OF_USERS = sa.text(
    _WRONG_MARKS.format(
        of_boards="AND standings.board_id IN (SELECT id FROM boards)",
        of_users="AND users.id = ANY(CAST(:users AS uuid[]))",
    )
)


def wrong_marks(conn: sa.Connection, users: Sequence[UserId] | None = None) -> int:
    """Count standings that are hidden and should not be, or should be and are not."""
    if users is None:
        return int(conn.execute(_WRONG_MARKS_OF_ALL).scalar_one())
    return int(conn.execute(_WRONG_MARKS_OF_USERS, {"users": list(users)}).scalar_one())


# The newest event about an action must agree with what the action says of itself.
_WRONG_SETTLEMENTS = sa.text("""
    SELECT count(*) FROM (
        SELECT DISTINCT ON (action_id) action_id, kind FROM audit_events
        WHERE action_id IS NOT NULL AND at > now() - make_interval(hours => :hours)
        ORDER BY action_id, id DESC
    ) AS last
    JOIN actions ON actions.id = last.action_id
    WHERE actions.settlement IS DISTINCT FROM
        CASE last.kind WHEN 'released' THEN 'cleared' WHEN 'held_again' THEN 'held' ELSE last.kind END
""")


def wrong_settlements(conn: sa.Connection, *, hours: int) -> int:
    """Count actions that were held, released or reversed within so many hours and don't say so."""
    return int(conn.execute(_WRONG_SETTLEMENTS, {"hours": hours}).scalar_one())


_WRONG_TOP = sa.text(f"""
    SELECT count(*) FROM unnest(CAST(:boards AS text[]), CAST(:sizes AS int[])) AS rule(board, size)
    JOIN boards ON boards.board = rule.board
        AND coalesce(boards.ends_at > now() - make_interval(hours => :hours), true)
        AND NOT {FROZEN.format(it="boards")}
    CROSS JOIN LATERAL (
        SELECT it.rank, (it.user_id, it.username, it.display_name, it.score)
            IS DISTINCT FROM (shown.user_id, shown.username, shown.display_name, shown.score) AS wrong
        FROM (
            SELECT row_number() OVER (ORDER BY {KEY.format(it="first")}) AS rank, * FROM (
                SELECT it.*, users.username, users.display_name FROM standings AS it
                JOIN users ON users.id = it.user_id
                WHERE it.board_id = boards.id AND {LISTED.format(it="it")} AND {SHOWN}
                ORDER BY {KEY.format(it="it")} LIMIT rule.size
            ) AS first
        ) AS it
        FULL JOIN (SELECT * FROM top_scores WHERE top_scores.board_id = boards.id) AS shown ON shown.rank = it.rank
    ) AS row
    WHERE row.wrong
""")


def wrong_top(conn: sa.Connection, rules: BoardRules, *, hours: int) -> int:
    """Count rows of boards that are not as the standings have them, in periods that ended within so many hours.

    Boards that are frozen are left out.
    """
    values = {"boards": list(rules), "sizes": [rule.top for rule in rules.values()], "hours": hours}
    return int(conn.execute(_WRONG_TOP, values).scalar_one())


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
