"""The SQL of what counts on a board: cleared actions, and adjustments, each in the period in which it ended.

What is settled is added as it comes, see db/standings.py; this works it out from the record.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from app.domain.board_rules import BoardRule
from app.domain.ids import UserId
from app.domain.periods import Period


class Record(NamedTuple):
    """The SQL of rows (board_id, user_id, score, reached_at), the standings as they must be, and its values."""

    sql: str
    values: dict[str, Any]


_ACTIONS = """
    SELECT user_id, {amount} AS score, end_at AS at FROM actions
    WHERE settlement = 'cleared' AND {amount} IS NOT NULL {of_types} {of_users} {begun} {ended} {settled}
"""
_ADJUSTMENTS = """
    UNION ALL SELECT user_id, points, at FROM audit_events
    WHERE kind = 'adjusted' AND points <> 0 {of_users} {begun} {ended}
"""
# What is archived, as if it were one action in each period: see db/archive.py.
_ARCHIVED = """
    UNION ALL SELECT user_id, score, at FROM archived_scores WHERE board = :archived {of_users} {begun} {ended}
"""
# Of all periods the last that began before, or else each action would be compared with all of them.
_PERIODS = """
    CROSS JOIN LATERAL (
        SELECT id, ends_at FROM boards WHERE board = :board AND starts_at <= it.at ORDER BY starts_at DESC LIMIT 1
    ) AS period
    WHERE it.at < period.ends_at
"""
_WHOLE = """
    JOIN boards AS period ON period.id = :board
    WHERE (period.starts_at IS NULL OR it.at >= period.starts_at) AND (period.ends_at IS NULL OR it.at < period.ends_at)
"""
_COMBINED = {
    "sum": """
        SELECT board_id, user_id, CAST(sum(score) AS bigint) AS score, max(at) AS reached_at FROM ({counted}) AS counted
        GROUP BY board_id, user_id
    """,
    "best": """
        SELECT DISTINCT ON (board_id, user_id) board_id, user_id, score, at AS reached_at FROM ({counted}) AS counted
        ORDER BY board_id, user_id, score {better_first}, at
    """,
    "latest": """
        SELECT DISTINCT ON (board_id, user_id) board_id, user_id, score, at AS reached_at FROM ({counted}) AS counted
        ORDER BY board_id, user_id, at DESC, score {better_first}
    """,
}


def in_period(rule: BoardRule, period: Period, users: Sequence[UserId]) -> Record:
    """Return the record of these users in one period of a board; it reads what ended in the period."""
    values = {"id": period.id, "users": list(users), "starts": period.starts, "ends": period.ends}
    sql, own = _amounts(
        rule,
        of_users="AND user_id = ANY(CAST(:users AS uuid[]))",
        begun="" if period.starts is None else "AND {at} >= :starts",
        ended="" if period.ends is None else "AND {at} < :ends",
    )
    counted = f"SELECT CAST(:id AS text) AS board_id, user_id, score, at FROM ({sql}) AS it"
    return Record(_combined(rule, counted), values | own)


def of_one(
    rule: BoardRule, period: Period, user: str, *, also: str = "", settled: str = "", newest: bool = False
) -> Record:
    """Return the SQL of everything of one user that counts in a period of a board: rows (user_id, score, at).

    Args:
        user: the id, as an expression of the statement around it.
        also: a further condition, which names the moment by "{at}".
        settled: one on actions alone.
        newest: only the newest action, and the newest adjustment, of several at once the better: a look at the index.
    """
    sql, own = _amounts(
        rule,
        of_users=f"AND user_id = {user}",
        begun="" if period.starts is None else "AND {at} >= :starts",
        ended=("" if period.ends is None else "AND {at} < :ends ") + also,
        settled=settled,
    )
    if newest:
        order = f"ORDER BY 3 DESC, 2 {'ASC' if rule.lowest else 'DESC'} LIMIT 1"
        sql = " UNION ALL ".join(f"({part} {order})" for part in sql.split("UNION ALL"))
    return Record(sql, own | _bounds(period))


def until(rule: BoardRule, period: Period, moment: str) -> Record:
    """Return the record of everybody in a period, of what ended by a moment, an expression; it reads all of that."""
    sql, own = _amounts(
        rule,
        of_users="",
        begun="" if period.starts is None else "AND {at} >= :starts",
        ended=("" if period.ends is None else "AND {at} < :ends ") + f"AND {{at}} <= {moment}",
    )
    combined = _combined(rule, f"SELECT CAST(:id AS text) AS board_id, user_id, score, at FROM ({sql}) AS it")
    return Record(combined, own | _bounds(period) | {"id": period.id})


def _bounds(period: Period) -> dict[str, Any]:
    bounds = {"starts": period.starts, "ends": period.ends}
    return {name: value for name, value in bounds.items() if value is not None}


def in_all_periods(rule: BoardRule, users: Sequence[UserId] | None = None) -> Record:
    """Return the record of everybody, or of these users, in all periods of a board that have a row."""
    values: dict[str, Any] = {"board": rule.id}
    of_users = ""
    if users is not None:
        of_users = "AND user_id = ANY(CAST(:users AS uuid[]))"
        values["users"] = list(users)
    sql, own = _amounts(rule, of_users=of_users)
    counted = (
        f"SELECT period.id AS board_id, user_id, score, at FROM ({sql}) AS it {_PERIODS if rule.periodic else _WHOLE}"
    )
    return Record(_combined(rule, counted), values | own)


def of_partition(rule: BoardRule, table: str) -> Record:
    """Return the record of everybody in all periods of a board, of the actions of one partition alone."""
    values: dict[str, Any] = {"board": rule.id}
    if rule.types is not None:
        values["types"] = sorted(rule.types)
    actions = _ACTIONS.replace("FROM actions", f"FROM {table}").format(
        amount=_amount(rule), of_types=_of_types(rule), of_users="", begun="", ended="", settled=""
    )
    sql = f"SELECT period.id AS board_id, user_id, score, at FROM ({actions}) AS it "
    return Record(_combined(rule, sql + (_PERIODS if rule.periodic else _WHOLE)), values)


def extent(rule: BoardRule) -> Record:
    """Return the query of the first and the last moment of what counts on a board, null when nothing does."""
    sql, values = _amounts(rule, of_users="")
    return Record(f"SELECT min(at), max(at) FROM ({sql}) AS it", values)


def _amounts(
    rule: BoardRule, *, of_users: str, begun: str = "", ended: str = "", settled: str = ""
) -> tuple[str, dict[str, Any]]:
    """Return the SQL of everything that counts: (user_id, score, at), and the values that only it has."""
    values: dict[str, Any] = {"archived": rule.id}
    if rule.types is not None:
        values["types"] = sorted(rule.types)
    sql = _ACTIONS.format(
        amount=_amount(rule),
        of_types=_of_types(rule),
        of_users=of_users,
        begun=begun.format(at="end_at"),
        ended=ended.format(at="end_at"),
        settled=settled,
    )
    sql += _ARCHIVED.format(of_users=of_users, begun=begun.format(at="at"), ended=ended.format(at="at"))
    if rule.adjustable:
        sql += _ADJUSTMENTS.format(of_users=of_users, begun=begun.format(at="at"), ended=ended.format(at="at"))
    return sql, values


def _amount(rule: BoardRule) -> str:
    return "value" if rule.valued else "nullif(score, 0)"


def _of_types(rule: BoardRule) -> str:
    return "" if rule.types is None else "AND type = ANY(CAST(:types AS text[]))"


def _combined(rule: BoardRule, counted: str) -> str:
    return _COMBINED[rule.by].format(counted=counted, better_first="ASC" if rule.lowest else "DESC")
