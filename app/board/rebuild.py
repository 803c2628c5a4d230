"""Recomputes a board and its standings from the actions; changes only what was wrong."""

import sqlalchemy as sa

from app.board import top
from app.domain.ids import BoardId, UserId
from db import standings


def rebuild(conn: sa.Connection, board_id: BoardId) -> tuple[list[UserId], int | None]:
    """Recompute the board and all its standings; settling waits meanwhile.

    Returns:
        The users whose standings were wrong, and the board's new version if its ten were.
    """
    changed = standings.recompute_all(conn, board_id)
    return changed, top.refresh(conn, board_id, None)
