"""Brings a board's top ten up to date, at the end of every transaction that changes standings, or what shows a user."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from app.domain import ranking
from app.domain.ids import BoardId, UserId
from app.domain.ranking import Standing
from db import boards, standings


def add(conn: sa.Connection, board_ids: Collection[BoardId], earned: Sequence[tuple[UserId, int, datetime]]) -> None:
    """Add points to users' standings on each board, and bring the boards up to date."""
    for board_id in sorted(board_ids):
        standings.raise_scores_with_next(conn, board_id, earned)
    refresh_all(conn, board_ids, [user_id for user_id, _, _ in earned])


def recompute(conn: sa.Connection, board_ids: Collection[BoardId], user_ids: Sequence[UserId]) -> None:
    """Work users' standings on each board out again, after points were taken away, and bring the boards up to date."""
    for board_id in sorted(board_ids):
        standings.recompute(conn, board_id, user_ids)
    refresh_all(conn, board_ids, user_ids)


def refresh_all(conn: sa.Connection, board_ids: Collection[BoardId], touched: Collection[UserId]) -> None:
    """Bring each board up to date; whatever this transaction changes of standings, on any board, comes before."""
    for board_id in sorted(board_ids):
        refresh(conn, board_id, touched)


def refresh(conn: sa.Connection, board_id: BoardId, touched: Collection[UserId] | None) -> int | None:
    """Bring a board's ten up to date with the standings that this transaction has changed.

    The board's row is locked first, always; only afterwards, in a fresh statement, are the standings read. Without
    that order, a settling and a reversal that run at the same time don't see each other, and the board stays wrong.

    Args:
        touched: the users of whom this transaction has changed standing, status or name; None when it may be any.

    Returns:
        The board's new version, or None when the rows are as they were.
    """
    version, present = boards.lock_and_read(conn, board_id, touched or ())
    shown = sorted((user.row for user in present if user.row), key=lambda row: row.rank)
    ten = None
    if touched is not None:
        reached_at = {user.standing.user_id: user.standing.reached_at for user in present}
        before = [Standing(row.userId, row.username, row.score, reached_at[row.userId]) for row in shown]
        ten = ranking.merge(before, [user.standing for user in present])
    if ten is None:
        ten = standings.top(conn, board_id)
    if boards.rows_of(ten) == shown:
        return None
    boards.write_top_with_next(conn, board_id, version + 1, ten)
    return version + 1
