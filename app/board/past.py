"""How boards stood in the past, by what is known now: corrections included, whatever was shown at the time.

Nothing of this reads all that there is. Whoever asks for what can't be told without is told so.
"""

from datetime import datetime

import sqlalchemy as sa

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
"""Actions that are read of one user, at most, for a corrected board or for a course."""

_READ_ONLY = sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def begin(conn: sa.Connection) -> None:
    """Begin a transaction that reads, all of which sees the same."""
    conn.execute(_READ_ONLY)


def board(conn: sa.Connection, rule: BoardRule, period: Period, moment: datetime) -> list[Standing]:
    """Return the first places of a period, counting what ended by a moment and counts now.

    Where scores only get better with time (sums of points, best scores) nobody stood better then than now. So the
    standings are looked at from the first on, until as many as the board shows stood better then than the next one
    stands now. Those whose points were lowered since are looked at besides. On other boards everybody may have stood
    first, and so everybody is looked at.

    Raises:
        TooMuchToRead: when more than `CANDIDATES` standings or more than `ACTIONS` of one user would be read.
    """
    found: dict[UserId, Standing] = {}
    if rule.adjustable:
        lowered, all_of_them = corrected.lowered_since(conn, moment, limit=CANDIDATES)
        if not all_of_them:
            raise TooMuchToRead("asOf: there were too many adjustments since.")
        if lowered:
            _look(
                found, corrected.candidates(conn, rule, period, moment, users=lowered, limit=CANDIDATES, most=ACTIONS)
            )
    only_better = rule.by == "best" or not (rule.by == "latest" or rule.valued or rule.lowest)
    after: Standing | None = None
    seen, size = 0, min(max(FIRST_LOOK, 2 * rule.top), CANDIDATES)
    while seen < CANDIDATES:
        page = corrected.candidates(conn, rule, period, moment, after=after, limit=size, most=ACTIONS)
        _look(found, page)
        first = ranking.top(found.values(), rule.top)
        if len(page) < size:
            return first
        after = page[-1].now
        if only_better and len(first) == rule.top and ranking.order(first[-1]) <= ranking.order(after):
            return first
        seen += size
        size = min(2 * size, CANDIDATES - seen)
    raise TooMuchToRead(f"asOf: more than {CANDIDATES} players may have stood on the board.")


def _look(found: dict[UserId, Standing], candidates: list[corrected.Candidate]) -> None:
    for candidate in candidates:
        if candidate.read > ACTIONS:
            raise TooMuchToRead(f"asOf: a player has more than {ACTIONS} actions to read.")
        if candidate.then is not None:
            found[candidate.now.user_id] = candidate.then
