"""Recomputes a board from the actions: its periods, standings and rows; changes only what was wrong.

It fills a board that is new, or whose rules have changed.
"""

from datetime import UTC, datetime

import sqlalchemy as sa

from app.board import top
from app.domain import periods
from app.domain.board_rules import BoardRule, BoardRules
from app.domain.errors import Conflict
from app.domain.ids import BoardId, UserId
from app.domain.periods import Period
from db import archive, boards, standings


def rebuild(
    conn: sa.Connection, rules: BoardRules, board_id: BoardId, *, without_archived: bool = False
) -> tuple[list[UserId], dict[BoardId, int]]:
    """Recompute a board and all its standings, in all its periods; settling waits meanwhile.

    Args:
        without_archived: of a board whose rule isn't that by which archived actions were counted, count without them.

    Returns:
        The users whose standings were wrong, and the new versions of the periods whose rows were.

    Raises:
        Conflict: when the board would have to count archived actions by another rule.
    """
    rule = rules[board_id]
    if archive.differs(conn, rule):
        if not without_archived:
            raise Conflict(
                f"{board_id}: older actions are archived, and were not counted by this rule. "
                "With --without-archived it counts what is still there, and nothing else."
            )
        archive.leave_out(conn, rule)
    standings.lock_all(conn)
    boards.ensure(conn, _periods(rule, *standings.extent(conn, rule)))
    boards.set_bounds(conn, {row: _bounds(rule, row) for row in boards.rows_of_board(conn, board_id)})
    changed = standings.recompute_all(conn, rule)
    return changed, top.refresh_whole(conn, rules, boards.rows_of_board(conn, board_id))


def _periods(rule: BoardRule, first: datetime | None, last: datetime | None) -> list[Period]:
    """Return every period from a first moment to a last one; of a board without periods its only one."""
    moment = first if rule.periodic else rule.starts or datetime.now(UTC)
    found = []
    while moment is not None and (period := periods.at(rule, moment)):
        found.append(period)
        moment = period.ends if period.ends and last and period.ends <= last and rule.periodic else None
    return found


def _bounds(rule: BoardRule, row: BoardId) -> Period | None:
    """Return the period of a row as the rule has it; None for one that another rule of this board has left behind."""
    _, colon, label = row.partition(":")
    if colon:
        return periods.named(rule, label)
    return None if rule.periodic else _periods(rule, None, None)[0]
