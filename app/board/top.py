"""Brings boards up to date, at the end of every transaction that changes standings, or what shows a user."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa

from app.board import frozen_rows
from app.domain import counting, ranking
from app.domain.board_rules import BoardRule, BoardRules
from app.domain.counting import Completed, Earned
from app.domain.ids import BoardId, UserId
from app.domain.ranking import Standing
from db import boards, published, standings
from db.boards import Change, Locked
from db.published import BoardNow

_EARLIEST = datetime.min.replace(tzinfo=UTC)
AT_ONCE = 100
"""Boards that are locked, read and written by one statement each."""


class Refreshed(NamedTuple):
    """A board's row that has changed: its new version, and all that is shown of it unless that is to be read again."""

    version: int
    board: BoardNow | None


def add(
    conn: sa.Connection, rules: BoardRules, earned: Sequence[Earned], known: Collection[BoardId] = ()
) -> dict[BoardId, Refreshed]:
    """Add what was earned to standings, and bring the boards up to date; return the rows of those that changed.

    Args:
        known: rows that this transaction has seen.
    """
    if not earned:
        return {}
    boards.ensure(conn, (it.period for it in earned), known)
    standings.raise_scores_with_next(conn, earned)
    return _refresh(
        conn, {it.board_id: rules[it.period.board] for it in earned}, [(it.board_id, it.user_id) for it in earned]
    )


def recompute(conn: sa.Connection, rules: BoardRules, completion: Completed) -> None:
    """Work a user's standings out again on each board that counted a completion, and bring the boards up to date."""
    counted_on = counting.periods(rules, completion)
    users = [completion.user_id]
    standings.lock(conn, [period.id for _, period in counted_on], users)
    for rule, period in counted_on:
        standings.recompute(conn, rule, period, users)
    _refresh(
        conn,
        {period.id: rule for rule, period in counted_on},
        [(period.id, completion.user_id) for _, period in counted_on],
    )


def refresh_shown(conn: sa.Connection, rules: BoardRules, user_id: UserId) -> None:
    """Bring every board up to date on which a user has a standing, periods that are over included.

    For changes of what shows the user: the status, a name, whether the user is hidden.
    """
    found = {row: rules[board] for row, board in boards.of_user(conn, user_id) if board in rules}
    _refresh(conn, found, [(board_id, user_id) for board_id in found], mend_frozen=True)


def refresh_whole(conn: sa.Connection, rules: BoardRules, board_ids: Iterable[BoardId]) -> dict[BoardId, int]:
    """Bring rows of boards up to date with all their standings.

    Returns:
        The new versions of those that were not as the standings have them.
    """
    found = {board_id: rules[board_of(board_id)] for board_id in board_ids}
    return {row: it.version for row, it in _refresh(conn, found, None, mend_frozen=True).items()}


def board_of(row: BoardId) -> BoardId:
    """Return the board of a row of `boards`, which may be that of a period."""
    return BoardId(row.partition(":")[0])


def _refresh(
    conn: sa.Connection,
    rows: dict[BoardId, BoardRule],
    touched: Collection[tuple[BoardId, UserId]] | None,
    *,
    mend_frozen: bool = False,
) -> dict[BoardId, Refreshed]:
    """Bring rows of boards up to date with the standings that this transaction has changed.

    The boards are locked first, always, in the order of their ids; only afterwards, in a fresh statement, are standings
    read. Without that order, a settling and a reversal that run at the same time don't see each other, and a board
    stays wrong. Whatever the transaction changes of standings, on any board, comes before.

    Args:
        touched: the rows and users of whom this transaction has changed standing, status or name; None: it may be any.
        mend_frozen: whether it may have changed whom frozen boards may show, and how; else these stay as they are.

    Returns:
        Those that changed.
    """
    refreshed: dict[BoardId, Refreshed] = {}
    ids = sorted(rows)
    for first in range(0, len(ids), AT_ONCE):
        these = {board_id: rows[board_id] for board_id in ids[first : first + AT_ONCE]}
        locked = boards.lock_and_read(conn, these, [it for it in touched or () if it[0] in these])
        changes = [
            change
            for board_id, board in locked.items()
            if not board.frozen and (change := _change(conn, board_id, rows[board_id], board, touched))
        ]
        if changes:
            boards.write_with_next(conn, changes)
            for it in changes:
                refreshed[it.board_id] = Refreshed(it.board.version, None if it.freezes else it.board)
        if mend_frozen:
            mended = [it for it, board in locked.items() if board.frozen and frozen_rows.mend(conn, it)]
            refreshed |= {board_id: Refreshed(locked[board_id].version + 1, None) for board_id in mended}
    return refreshed


def _change(
    conn: sa.Connection,
    board_id: BoardId,
    rule: BoardRule,
    board: Locked,
    touched: Collection[tuple[BoardId, UserId]] | None,
) -> Change | None:
    """Return what is to be written of a board, None when its rows are right."""
    shown = sorted((user.row for user in board.present if user.row), key=lambda row: row.rank)
    top = None
    if touched is not None:
        reached_at = {user.standing.user_id: user.standing.reached_at for user in board.present}
        # When the touched had reached their scores is not known any more: the same value again is reached later, and
        # one that is as good as one that was reversed, too.
        reached_at |= {user_id: _EARLIEST for it, user_id in touched if it == board_id}
        before = [
            Standing(row.userId, row.username, row.score, reached_at[row.userId], lowest=rule.lowest) for row in shown
        ]
        top = ranking.merge(before, [user.standing for user in board.present], rule.top)
    if top is None:
        top = standings.top(conn, board_id, rule.top)
    now = boards.rows_of(top)
    if now == shown:
        return None
    written = BoardNow(board.epoch, board.version + 1, board.now or published.read(conn, [])[0], now)
    return Change(board_id, written, [row for row in now if row not in shown], board.freezes)
