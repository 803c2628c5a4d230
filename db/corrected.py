"""SQL on standings as they were at a moment, by what is known of it now."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.domain.board_rules import BoardRule
from app.domain.ids import UserId
from app.domain.periods import Period
from app.domain.ranking import Standing
from db import counted
from db.order import KEY, LISTED
from db.shown import SHOWN


@dataclass(frozen=True, slots=True)
class Candidate:
    """A user's standing now, and at the moment asked for, None if there was none; and how many actions were read."""

    now: Standing
    then: Standing | None
    read: int


_CANDIDATES = """
    WITH candidate AS MATERIALIZED (
        SELECT it.*, users.username, users.display_name FROM standings AS it
        JOIN users ON users.id = it.user_id AND {shown}
        WHERE it.board_id = :board AND {which}
        ORDER BY {key} LIMIT :limit
    )
    SELECT it.user_id::text, it.username, it.display_name, it.score, it.reached_at,
        past.score, past.reached_at, coalesce(past.read, 0)
    FROM candidate AS it LEFT JOIN LATERAL ({past}) AS past ON true
    ORDER BY {key}
"""
# What was added since is taken off. When the rest was reached is one look at the index.
_SUM = """
    SELECT CAST(it.score - coalesce(since.score, 0) AS bigint) AS score, since.read, CASE
        WHEN since.read = 0 THEN it.reached_at ELSE (SELECT max(at) FROM ({until}) AS earlier)
    END AS reached_at
    FROM (
        SELECT sum(score) AS score, count(*) AS read
        FROM (SELECT score FROM ({since}) AS added LIMIT :most + 1) AS added
    ) AS since
"""
# A score that was reached by then is still the best, or the latest; otherwise it is looked for.
_KEPT = """
    SELECT it.score, it.reached_at, 0 AS read WHERE it.reached_at <= :at
    UNION ALL (
        SELECT score, at, count(*) OVER () FROM (SELECT score, at FROM ({until}) AS earlier LIMIT :most + 1) AS earlier
        ORDER BY {order} LIMIT 1
    )
"""


def candidates(
    conn: sa.Connection,
    rule: BoardRule,
    period: Period,
    moment: datetime,
    *,
    after: Standing | None = None,
    users: Collection[UserId] | None = None,
    limit: int,
    most: int,
) -> list[Candidate]:
    """Read the first standings of a period after another, or those of some users, as they are now and were at a moment.

    Args:
        after: the last standing that was read already.
        most: the most actions that are read of each; one more is where there are more.
    """
    values: dict[str, Any] = {"board": period.id, "at": moment, "limit": limit, "most": most}
    key = KEY.format(it="it")
    which = LISTED.format(it="it")
    if users is not None:
        which = "it.user_id = ANY(CAST(:users AS uuid[]))"
        values["users"] = list(users)
    elif after is not None:
        which += f" AND ({key}) > (:place, :reached_at, CAST(:user AS uuid))"
        place = after.score if rule.lowest else -after.score
        values |= {"place": place, "reached_at": after.reached_at, "user": after.user_id}
    past, own = _past(rule, period)
    query = _CANDIDATES.format(shown=SHOWN, which=which, key=key, past=past)
    return [_candidate(rule, *row) for row in conn.execute(sa.text(query), values | own)]


def _past(rule: BoardRule, period: Period) -> tuple[str, dict[str, Any]]:
    if rule.by == "sum":
        since = counted.of_one(rule, period, "it.user_id", also="AND {at} > :at")
        until = counted.of_one(rule, period, "it.user_id", also="AND {at} <= :at", newest=True)
        return _SUM.format(since=since.sql, until=until.sql), since.values
    latest = rule.by == "latest"
    until = counted.of_one(rule, period, "it.user_id", also="AND {at} <= :at AND it.reached_at > :at", newest=latest)
    better = f"score {'ASC' if rule.lowest else 'DESC'}"
    order = f"at DESC, {better}" if latest else f"{better}, at"
    return _KEPT.format(until=until.sql, order=order), until.values


# The first of all those who had something by then. What is read is counted before.
_WHOLE = """
    SELECT it.user_id::text, users.username, it.score, it.reached_at, true, users.display_name,
        CAST(:lowest AS boolean), CAST(:valued AS boolean)
    FROM ({record}) AS it JOIN users ON users.id = it.user_id AND {shown}
    WHERE it.score > 0 OR :valued
    ORDER BY CASE WHEN :lowest THEN it.score ELSE -it.score END, it.reached_at, it.user_id LIMIT :limit
"""
_COUNT = """
    SELECT (SELECT count(*) FROM (
            SELECT 1 FROM actions WHERE settlement = 'cleared' AND end_at <= :at {begun} ORDER BY end_at LIMIT :most + 1
        ) AS counted) + (SELECT count(*) FROM (
            SELECT 1 FROM audit_events WHERE kind = 'adjusted' LIMIT :most + 1
        ) AS adjusted)
"""


def whole(
    conn: sa.Connection, rule: BoardRule, period: Period, moment: datetime, *, limit: int, most: int
) -> list[Standing] | None:
    """Return the first places of a period at a moment, from everything that ended by then; None if that is too much.

    Args:
        most: the most actions of everybody together, whatever they are.
    """
    begun = "" if period.starts is None else "AND end_at >= :starts"
    record = counted.until(rule, period, ":at")
    values = record.values | {"at": moment, "most": most, "lowest": rule.lowest, "valued": rule.valued, "limit": limit}
    if conn.execute(sa.text(_COUNT.format(begun=begun)), values).scalar_one() > most:
        return None
    query = sa.text(_WHOLE.format(record=record.sql, shown=SHOWN))
    return [Standing(*row) for row in conn.execute(query, values)]


def _candidate(
    rule: BoardRule,
    user_id: UserId,
    username: str,
    display_name: str | None,
    score: int,
    reached_at: datetime,
    score_then: int | None,
    reached_then: datetime | None,
    read: int,
) -> Candidate:
    now = Standing(user_id, username, score, reached_at, True, display_name, rule.lowest, rule.valued)
    if score_then is None or reached_then is None:
        return Candidate(now, None, read)
    return Candidate(now, replace(now, score=score_then, reached_at=reached_then), read)


# The ids of events are in the order of their times, but for those of the same moment.
_LOWERED = sa.text("""
    WITH newest AS MATERIALIZED (
        SELECT user_id, points, at FROM audit_events WHERE kind = 'adjusted' ORDER BY id DESC LIMIT :limit
    )
    SELECT coalesce(array_agg(DISTINCT user_id::text) FILTER (WHERE at > :at AND points < 0), '{}'),
        count(*) < :limit OR min(at) < CAST(:at AS timestamptz) - interval '1 min'
    FROM newest
""")


def lowered_since(conn: sa.Connection, moment: datetime, *, limit: int) -> tuple[list[UserId], bool]:
    """Return whose points operators have taken since a moment, of the newest adjustments; and whether that is all."""
    users, all_of_them = conn.execute(_LOWERED, {"at": moment, "limit": limit}).one()
    return [UserId(it) for it in users], bool(all_of_them)
