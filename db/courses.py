"""SQL on how users' scores on a board came about: what was added to each between some moments."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.domain.board_rules import BoardRule
from app.domain.ids import UserId
from app.domain.periods import Period
from app.domain.timeline import just_after
from db import counted
from db.shown import SHOWN


@dataclass(slots=True)
class Course:
    """The course of a user's score: what was added, kept or reached in each step, by the number of its moment.

    `score` is the standing as it is now, None without one; `read` is how many actions were read for it.
    """

    user_id: UserId
    username: str
    display_name: str | None
    score: int | None
    steps: dict[int, int] = field(default_factory=dict)
    read: int = 0


# Each user's own actions alone, by their index. The number of an action's step is how many moments lie before its end.
_COURSES = """
    WITH mine AS MATERIALIZED (
        SELECT asked.place, users.id, users.username, users.display_name, standings.score, standings.reached_at
        FROM unnest(CAST(:users AS uuid[])) WITH ORDINALITY AS asked(id, place)
        JOIN users ON users.id = asked.id AND {shown}
        LEFT JOIN standings ON standings.board_id = :board AND standings.user_id = users.id
    )
    SELECT mine.id::text, mine.username, mine.display_name, mine.score, step.number, step.score, step.read
    FROM mine LEFT JOIN LATERAL (
        SELECT width_bucket(it.at, CAST(:just_after AS timestamptz[])) AS number, {combined} AS score, count(*) AS read
        FROM (SELECT score, at FROM ({counted}) AS counted LIMIT :limit + 1) AS it GROUP BY 1
        {before}
    ) AS step ON true
    ORDER BY mine.place
"""
_LATEST_BEFORE = """
    UNION ALL (SELECT 0, score, 1 FROM ({counted}) AS earlier ORDER BY at DESC, {better} LIMIT 1)
"""

# A score that was reached before the first moment is the best all the time.
_BEST_BEFORE = "UNION ALL SELECT 0, mine.score, 0 WHERE mine.reached_at <= :first"


def read(
    conn: sa.Connection,
    rule: BoardRule,
    period: Period,
    user_ids: Sequence[UserId],
    moments: Sequence[datetime],
    *,
    settled_by: datetime | None = None,
    limit: int,
) -> list[Course]:
    """Read the courses of users' scores on a board; users who aren't shown are left out.

    Of a sum what came after the first moment is read, all of it: the rest of the present score was there before. Of a
    best score that has been reached since, everything up to the last moment; of the latest what came from the first
    moment to the last, and the one before.

    Args:
        settled_by: what was settled later is left out.
        limit: the most actions of each user; one more is read where there are more.
    """
    values: dict[str, Any] = {
        "board": period.id,
        "users": list(user_ids),
        "just_after": just_after(moments),
        "first": moments[0],
        "last": moments[-1],
        "settled_by": settled_by,
        "limit": limit,
    }
    by_then, settled = ("", "") if settled_by is None else ("AND {at} <= :settled_by ", "AND settled_at <= :settled_by")
    better, combined, before = f"score {'ASC' if rule.lowest else 'DESC'}", "", ""
    if rule.by == "sum":
        also, combined = "AND {at} > :first", "CAST(sum(it.score) AS bigint)"
    elif rule.by == "best":
        also, combined = "AND {at} <= :last", f"{'min' if rule.lowest else 'max'}(it.score)"
        if settled_by is None:
            also, before = f"{also} AND mine.reached_at > :first", _BEST_BEFORE
    else:
        also, combined = (
            "AND {at} > :first AND {at} <= :last",
            f"(array_agg(it.score ORDER BY it.at DESC, it.{better}))[1]",
        )
        earlier = counted.of_one(rule, period, "mine.id", also="AND {at} <= :first", settled=settled)
        before = _LATEST_BEFORE.format(counted=earlier.sql, better=better)
    record = counted.of_one(rule, period, "mine.id", also=by_then + also, settled=settled)
    query = _COURSES.format(shown=SHOWN, combined=combined, counted=record.sql, before=before)
    found: dict[str, Course] = {}
    for user_id, username, display_name, score, number, step, read_ in conn.execute(
        sa.text(query), values | record.values
    ):
        course = found.setdefault(user_id, Course(user_id, username, display_name, score))
        if number is not None:
            course.steps[number] = step
            course.read += read_
    return list(found.values())
