"""Works standings and board out anew from the actions. It changes nothing unless something was wrong."""

import sqlalchemy as sa

from app.board import top
from app.domain.ids import DEFAULT_BOARD, UserId
from db import standings


def rebuild(conn: sa.Connection) -> tuple[list[UserId], int | None]:
    """Rebuild; settling waits meanwhile.

    Returns:
        The users whose standings were wrong, and the board's new version if its ten were.
    """
    changed = standings.recompute_all(conn, DEFAULT_BOARD)
    return changed, top.refresh(conn, DEFAULT_BOARD, None)
