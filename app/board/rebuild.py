"""Recomputes standings and boards from the actions; changes only what was wrong."""

import sqlalchemy as sa

from app.board import top
from app.domain.ids import DEFAULT_BOARD, UserId
from db import standings


def rebuild(conn: sa.Connection) -> tuple[list[UserId], int | None]:
    """Recompute all standings and the board; settling waits meanwhile.

    Returns:
        The users whose standings were wrong, and the board's new version if its ten were.
    """
    changed = standings.recompute_all(conn, DEFAULT_BOARD)
    return changed, top.refresh(conn, DEFAULT_BOARD, None)
