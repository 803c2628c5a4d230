"""The scores of some users over time: at moments at equal distances, counting what ended by then and counts now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.board import archived
from app.board.visible import Frozen
from app.domain import timeline
from app.domain.board_rules import BoardRule
from app.domain.errors import TooMuchToRead, WrongTime
from app.domain.ids import UserId
from app.domain.periods import Period
from db import courses
from db.courses import Course

ACTIONS = 20_000
"""Actions that are read of one user, at most."""

USUAL = timedelta(days=1)
"""What is shown of a board that has no beginning, unless it is said from when on."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A user's scores at some moments, None where there was none yet."""

    user_id: UserId
    username: str
    display_name: str | None
    scores: list[int | None]


def window(
    period: Period, now: datetime, since: datetime | None, until: datetime | None, frozen: Frozen | None
) -> tuple[datetime, datetime]:
    """Return from when to when scores are told: what is asked for, within the period and up to now, or to the freeze.

    Raises:
        WrongTime: when nothing is left of it.
    """
    ends = min(now, period.ends or now, frozen.since if frozen else now)
    last = ends if until is None else min(until, ends)
    first = since or period.starts or last - USUAL
    first = max(first, period.starts or first)
    if first < last:
        return first, last
    if since is None and until is None:  # of a board that was frozen before its beginning
        return last - timedelta(seconds=1), last
    name = "to" if since is None else "from"
    raise WrongTime(f"{name}: nothing of the board's time lies in between.")


def read(
    conn: sa.Connection,
    rule: BoardRule,
    period: Period,
    user_ids: Sequence[UserId],
    moments: Sequence[datetime],
    frozen: Frozen | None,
) -> list[Scores]:
    """Return users' scores at some moments; those who aren't shown are left out.

    While the board is frozen these are the scores of those who are on it, and lead to what it shows of them.

    Raises:
        TooMuchToRead: when a user has more than `ACTIONS` actions that would be read, or they are archived.
    """
    if frozen:
        user_ids = [user_id for user_id in user_ids if frozen.row_of(user_id)]
    archived.must_not_reach(conn, moments[0], "from")
    since = frozen.since if frozen else None
    found = courses.read(conn, rule, period, user_ids, moments, settled_by=since, limit=ACTIONS)
    for course in found:
        if course.read > ACTIONS:
            raise TooMuchToRead(f"from: a player has more than {ACTIONS} actions to read; ask for less time.")
    return [Scores(it.user_id, it.username, it.display_name, _scores(rule, it, len(moments), frozen)) for it in found]


def _scores(rule: BoardRule, course: Course, count: int, frozen: Frozen | None) -> list[int | None]:
    if rule.by != "sum":
        return timeline.kept(rule, course.steps, count)
    row = frozen and frozen.row_of(course.user_id)
    return list(timeline.sums(row.score if row else course.score or 0, course.steps, count))
