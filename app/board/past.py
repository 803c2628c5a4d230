"""How boards stood in the past, by what is known now: corrections included, whatever was shown at the time.

Nothing of this reads all that there is. Whoever asks for what can't be told without is told so.
"""

from datetime import datetime
from functools import partial

import sqlalchemy as sa

from app.board import archived
from app.domain import ranking
from app.domain.board_rules import BoardRule
from app.domain.errors import TooMuchToRead
from app.domain.ids import UserId
from app.domain.periods import Period
from app.domain.ranking import Standing
from db import corrected

CANDIDATES = 1000
"""Standings that are looked at, at most, and adjustments."""

FIRST_LOOK = 20
"""Standings that are looked at together at first, or twice as many as the board shows; then twice as many again."""

ACTIONS = 20_000
"""Actions that are read of one user, at most; or of all together, where everything up to a moment is read."""

_READ_ONLY = sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def begin(conn: sa.Connection) -> None:
    """Begin a transaction that reads, all of which sees the same."""
    conn.execute(_READ_ONLY)


def board(conn: sa.Connection, rule: BoardRule, period: Period, moment: datetime) -> list[Standing]:
    """Return the first places of a period, counting what ended by a moment and counts now.

    There are two ways, of which either may be too long: from the present standings back, or from all that had ended by
    then. Where scores only get better with time (sums of points, best scores) the first of them is mostly short.

    Raises:
        TooMuchToRead: when both are too long, or the actions of then are archived.
    """
    if period.starts is not None and moment < period.starts:
        return []
    archived.must_not_reach(conn, moment, "asOf")
    only_better = rule.by == "best" or not (rule.by == "latest" or rule.valued or rule.lowest)
    back = partial(_back, conn, rule, period, moment, only_better=only_better)
    whole = partial(corrected.whole, conn, rule, period, moment, limit=rule.top, most=ACTIONS)
    for way in (back, whole) if only_better else (whole, back):
        found = way()
        if found is not None:
            return found
    raise TooMuchToRead("asOf: who stood first then can't be told without reading too much.")


def _back(
    conn: sa.Connection, rule: BoardRule, period: Period, moment: datetime, *, only_better: bool
) -> list[Standing] | None:
    """Return the first places by taking off the standings, from the first on, what has come since.

    Where scores only get better nobody stood better then than now: it ends when as many as the board shows stood better
    then than the next one stands now. Those whose points were lowered since are looked at besides. On other boards
    everybody may have stood first.

    Returns:
        None when it would take more than `CANDIDATES` standings, or adjustments, or more than `ACTIONS` of one player.
    """
    found: dict[UserId, Standing] = {}
    if rule.adjustable:
        lowered, all_of_them = corrected.lowered_since(conn, moment, limit=CANDIDATES)
        if not all_of_them:
            return None
        if lowered:
            page = corrected.candidates(conn, rule, period, moment, users=lowered, limit=CANDIDATES, most=ACTIONS)
            if not _look(found, page):
                return None
    after: Standing | None = None
    seen, size = 0, min(max(FIRST_LOOK, 2 * rule.top), CANDIDATES)
    while seen < CANDIDATES:
        page = corrected.candidates(conn, rule, period, moment, after=after, limit=size, most=ACTIONS)
        if not _look(found, page):
            return None
        first = ranking.top(found.values(), rule.top)
        if len(page) < size:
            return first
        after = page[-1].now
        if only_better and len(first) == rule.top and ranking.order(first[-1]) <= ranking.order(after):
            return first
        seen += size
        size = min(2 * size, CANDIDATES - seen)
    return None


def _look(found: dict[UserId, Standing], candidates: list[corrected.Candidate]) -> bool:
    """Take candidates' standings of then over; False if too many actions had to be read for one of them."""
    found.update({it.now.user_id: it.then for it in candidates if it.then is not None})
    return all(it.read <= ACTIONS for it in candidates)
