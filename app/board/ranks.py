"""Keeps the blocks by which places are counted of a good size, and mends them. Source: docs/decisions."""

import random
import time
from collections.abc import Iterable

import sqlalchemy as sa

from app.domain.ids import BoardId
from db import boards, rank_blocks
from db.transaction import in_transaction

AT_ONCE = 2000
"""Standings that are read under a board's lock at once, which settling waits for: a few milliseconds."""

TEND_FOR = 0.2
"""Seconds during which one sweep begins further steps."""


def tend(engine: sa.Engine, *, seconds: float = TEND_FOR) -> bool:
    """Count, split and join blocks for a bounded time; return whether all is done."""
    deadline = time.monotonic() + seconds
    for board_id in in_transaction(engine, rank_blocks.untended):
        while in_transaction(engine, lambda conn, it=board_id: rank_blocks.tend(conn, it, most=AT_ONCE)):  # type: ignore[misc]
            if time.monotonic() > deadline:
                return False
    return True


def wrong(conn: sa.Connection, board_id: BoardId) -> int:
    """Count what is wrong about the blocks of a board: how many are miscounted, or 1 if they don't fit together."""
    return 1 if rank_blocks.broken(conn, board_id) else len(rank_blocks.wrong(conn, board_id))


SAMPLED, BLOCKS_SAMPLED = 4, 64
"""Boards that one audit of the worker looks at, and blocks of each."""


def wrong_of_some(conn: sa.Connection) -> int:
    """Count what is wrong about some blocks of some boards, other ones each time."""
    found = 0
    for board_id, blocks in rank_blocks.sample(conn, limit=SAMPLED):
        first = random.randint(1, max(1, blocks - BLOCKS_SAMPLED + 1))
        last = first + BLOCKS_SAMPLED - 1
        if rank_blocks.broken(conn, board_id):
            found += 1
        else:
            found += len(rank_blocks.wrong(conn, board_id, first=first, last=last))
    return found


def mend(engine: sa.Engine, board_ids: Iterable[BoardId]) -> int:
    """Mend blocks of boards, in all their periods: what is wrong is not known until it is counted again, at once.

    Whoever asks for a place behind them meanwhile is told to try again.

    Returns:
        How many were wrong.
    """
    mended = 0
    for board_id in in_transaction(
        engine, lambda conn: [row for it in board_ids for row in boards.rows_of_board(conn, it)]
    ):
        # At first without the lock, since nothing is wrong as a rule.
        if in_transaction(engine, lambda conn, it=board_id: wrong(conn, it)):  # type: ignore[misc]
            mended += in_transaction(engine, lambda conn, it=board_id: _forget_wrong(conn, it))  # type: ignore[misc]
    while not tend(engine):
        pass
    return mended


def _forget_wrong(conn: sa.Connection, board_id: BoardId) -> int:
    rank_blocks.lock(conn, board_id)
    if rank_blocks.broken(conn, board_id):
        rank_blocks.begin_again(conn, board_id)
        return 1
    found = rank_blocks.wrong(conn, board_id)
    rank_blocks.forget(conn, board_id, found)
    return len(found)
