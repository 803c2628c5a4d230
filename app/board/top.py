"""Brings a board's top ten up to date, at the end of every transaction that changes standings or a user's status."""

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
        touched: the users whose standing or status this transaction has changed; None when it may be any.

    Returns:
        The board's new version, or None when the visible ten are as they were.
    """
    version, present = boards.lock_and_read(conn, board_id, touched or ())
    shown = sorted((user for user in present if user.row), key=lambda user: user.row or ())
    ten = None
    if touched is not None:
        ten = ranking.merge([_as_shown(user) for user in shown], [user.standing for user in present])
    if ten is None:
        ten = standings.top(conn, board_id)
    if [(it.user_id, it.username, it.score) for it in ten] == [_visible(user) for user in shown]:
        return None
    boards.write_top_with_next(conn, board_id, version + 1, ten)
    return version + 1


def _visible(user: boards.Present) -> tuple[UserId, str, int]:
    assert user.row
    return (user.standing.user_id, user.row[1], user.row[2])


def _as_shown(user: boards.Present) -> Standing:
    user_id, username, score = _visible(user)
    return Standing(user_id, username, score, user.standing.reached_at)
