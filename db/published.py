"""SQL that reads boards as they are published: rows of `boards` with their rows of `top_scores`, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from app.domain.freezes import Freeze
from app.domain.ids import BoardId, UserId
from app.domain.messages import Row, Stamp
from db.driver import fetch
from db.prepared import prepared

_READ = """
    SELECT clock_timestamp(), boards.id, boards.epoch::text, boards.version, boards.updated_at,
        boards.says_frozen, boards.frozen_from, boards.revealed, boards.places,
        top.user_id::text, top.username, top.score, top.rank, top.display_name
    FROM {boards}
    LEFT JOIN top_scores AS top ON top.board_id = boards.id {unless}
    ORDER BY boards.id, top.rank
"""
# With one row at least, so that the clock is read in any case.
_ALL = prepared(
    "read_boards",
    _READ.format(boards="(SELECT) AS always LEFT JOIN boards ON boards.id = ANY(CAST(:ids AS text[]))", unless=""),
)


@dataclass(frozen=True, slots=True)
class BoardNow:
    """A board as one statement saw it; `freezes_at` is the moment of a freeze that its version doesn't tell of yet."""

    epoch: str
    version: int
    updated_at: datetime
    rows: list[Row]
    freeze: Freeze | None = None
    freezes_at: datetime | None = None


def read(conn: sa.Connection, ids: Sequence[BoardId]) -> tuple[datetime, dict[BoardId, BoardNow]]:
    """Read boards and their versions in one statement, so that they belong together.

    Returns:
        PostgreSQL's time, and those of the boards that there are.
    """
    found = fetch(conn, _ALL, {"ids": list(ids)})
    return found[0][0], _boards(found)


_CHANGED = sa.text(
    _READ.format(
        boards="(SELECT) AS always LEFT JOIN boards ON boards.id = :id",
        unless="AND (boards.epoch, boards.version) IS DISTINCT FROM (CAST(:epoch AS uuid), CAST(:version AS bigint))",
    )
)


def read_unless(conn: sa.Connection, board_id: BoardId, known: Stamp | None) -> tuple[datetime, BoardNow | None]:
    """Read PostgreSQL's time and a board, if there is one; without its rows while it is at the known version."""
    epoch, version = known or (None, None)
    found = conn.execute(_CHANGED, {"id": board_id, "epoch": epoch, "version": version}).all()
    return found[0][0], _boards(found).get(board_id)


def _boards(found: Sequence[Any]) -> dict[BoardId, BoardNow]:
    boards: dict[BoardId, BoardNow] = {}
    for _, board_id, epoch, version, updated_at, says_frozen, frozen_from, revealed, places, *row in found:
        if board_id is None:
            continue
        freeze = Freeze(frozen_from, revealed, places) if says_frozen else None
        now = BoardNow(epoch, version, updated_at, [], freeze, None if says_frozen else frozen_from)
        board = boards.setdefault(board_id, now)
        if row[0] is not None:
            board.rows.append(_row(*row))
    return boards


def _row(user_id: UserId, username: str, score: int, rank: int, display_name: str | None) -> Row:
    return Row(user_id, username, score, rank, msgspec.UNSET if display_name is None else display_name)
