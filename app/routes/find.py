"""Finding players on a board by how their names begin."""

import unicodedata

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from app.board import visible
from app.domain.errors import Malformed
from app.domain.ids import BoardId
from app.domain.messages import Row
from app.http.answers import JSON
from app.routes.readers import reader
from app.routes.which_board import which_board
from db import ranks
from db.find import find

MOST = 10
LONGEST = 64
"""Characters of a name's beginning; no name has more that are told apart."""


class FoundPlayers(msgspec.Struct):
    """Players on a board, the best first; `frozen` is there, and true, while the board is frozen."""

    items: list[Row]
    frozen: bool | UnsetType = UNSET


async def find_players(request: Request) -> Response:
    """GET /boards/:board/players"""
    who = await reader(request)
    which = which_board(request, who.web.board_rules)
    beginning = _beginning(request)

    def read(conn: sa.Connection) -> FoundPlayers:
        board_id = which.period(conn).id
        found = _found(conn, board_id, beginning)
        frozen = visible.frozen(conn, board_id)
        if frozen is None or who.live:
            return FoundPlayers(found, UNSET if frozen is None else True)
        return FoundPlayers([row for row in frozen.rows if _begins(row, beginning)][:MOST], True)

    return JSON(await who.web.database.run(who.read, which.rule, read))


def _beginning(request: Request) -> str:
    name = unicodedata.normalize("NFKC", request.query_params.get("name", "")).strip()
    if not 1 <= len(name) <= LONGEST:
        raise Malformed(f"name: must be 1 to {LONGEST} characters that a name begins with.")
    if "\0" in name:
        raise Malformed("name: must not contain NUL.")
    return name


def _found(conn: sa.Connection, board_id: BoardId, beginning: str) -> list[Row]:
    """Read who is on the board and is called so.

    Raises:
        NotCounted: while the places on the board are not known.
    """
    user_ids = find(conn, board_id, beginning, limit=MOST)
    placed = ranks.of(conn, [(board_id, user_ids)]).values()
    if any(it.of is None for it in placed):
        raise ranks.NotCounted
    rows = [
        Row(it.user_id, it.username, it.score, it.rank, UNSET if it.display_name is None else it.display_name)
        for it in placed
        if it.score is not None and it.rank is not None  # who has left the board in between
    ]
    return sorted(rows, key=lambda row: row.rank)


def _begins(row: Row, beginning: str) -> bool:
    names = [row.username] if row.displayName is UNSET else [row.username, row.displayName]
    return any(name.lower().startswith(beginning.lower()) for name in names)
