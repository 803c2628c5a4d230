"""Reads places on boards, for all requests that wait at the same moment. Source: contract, section 4, Ranks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from app.board import visible
from app.board.visible import Frozen
from app.domain.errors import NotFound
from app.domain.ids import BoardId, UserId
from app.domain.periods import Period
from db import ranks
from db.ranks import Key, Listed, NotCounted, Ranked
from db.replica import Replica
from db.transaction import in_statement


class PeriodAsked(Protocol):
    """What a request says of a board and its period."""

    def period(self, conn: sa.Connection) -> Period:
        """Return the period, by PostgreSQL's clock; raises NotFound for one that hasn't begun."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose places are asked for, and on which board; `live`: also while the board is frozen."""

    which: PeriodAsked
    user_ids: tuple[UserId, ...]
    live: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """Those of the users who exist, beside a board; and what may be shown instead, if the board is frozen."""

    users: list[Ranked]
    frozen: Frozen | None = None


def run_ranks(engine: sa.Engine, items: Sequence[Asked]) -> list[Places | Exception]:
    """Read the places that many requests ask for."""
    return in_statement(engine, lambda conn: _ranks(conn, items))


def run_crowd_ranks(_: sa.Engine, replica: Replica, items: Sequence[Asked]) -> list[Places | Exception]:
    """Read places that may be a little old."""
    return replica.read(lambda conn: _ranks(conn, items), in_statement)


def _ranks(conn: sa.Connection, items: Sequence[Asked]) -> list[Places | Exception]:
    boards = _boards(conn, {item.which for item in items})
    wanted = [(board, item.user_ids) for item in items if isinstance(board := boards[item.which], str)]
    found = ranks.of(conn, wanted)
    frozen: dict[BoardId, Frozen | None] = {}
    for board_id, _ in {key: None for key, it in found.items() if it.frozen}:
        if board_id not in frozen:
            frozen[board_id] = visible.frozen(conn, board_id)
    return [_places(item, boards[item.which], found, frozen) for item in items]


def _boards(conn: sa.Connection, asked: Iterable[PeriodAsked]) -> dict[PeriodAsked, BoardId | NotFound]:
    boards: dict[PeriodAsked, BoardId | NotFound] = {}
    for which in asked:
        try:
            boards[which] = which.period(conn).id
        except NotFound as error:
            boards[which] = error
    return boards


def _places(
    item: Asked,
    board_id: BoardId | NotFound,
    found: dict[tuple[BoardId, UserId], Ranked],
    frozen: dict[BoardId, Frozen | None],
) -> Places | Exception:
    if isinstance(board_id, NotFound):
        return board_id
    users = [found[board_id, it] for it in dict.fromkeys(item.user_ids) if (board_id, it) in found]
    hidden = frozen.get(board_id)
    if any(it.of is None for it in users) and (hidden is None or item.live):
        return NotCounted()
    return Places(users, hidden)


@dataclass(frozen=True, slots=True)
class Around:
    """Whose neighbours are asked for."""

    user_id: UserId


@dataclass(frozen=True, slots=True)
class After:
    """Behind which standing a page begins, and its place; on a frozen board the place alone is known."""

    rank: int = 0
    key: Key | None = ranks.BEFORE_ALL


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a board that is asked for; `period_id`: as the page before has it."""

    which: PeriodAsked
    where: Around | After
    limit: int
    period_id: BoardId | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """The standings of a part of a board; and what may be shown instead, if the board is frozen."""

    period_id: BoardId
    rows: list[Listed]
    frozen: Frozen | None


def run_stretches(engine: sa.Engine, items: Sequence[Stretch]) -> list[Rows | Exception]:
    """Read the parts of boards that many requests ask for, one after the other."""
    return in_statement(engine, lambda conn: [_stretch(conn, item) for item in items])


def run_crowd_stretches(_: sa.Engine, replica: Replica, items: Sequence[Stretch]) -> list[Rows | Exception]:
    """Read parts of boards that may be a little old."""
    return replica.read(lambda conn: [_stretch(conn, item) for item in items], in_statement)


def _stretch(conn: sa.Connection, item: Stretch) -> Rows | Exception:
    try:
        board_id = item.period_id or item.which.period(conn).id
        if isinstance(item.where, Around):
            rows = ranks.around(conn, board_id, item.where.user_id, limit=item.limit)
            if not rows and not ranks.of(conn, [(board_id, [item.where.user_id])]):
                return NotFound("There is no such user.")
        else:
            # One more tells whether there is another page.
            key = item.where.key
            rows = ranks.page(conn, board_id, key, limit=item.limit + 1) if key else []
        return Rows(board_id, rows, visible.frozen(conn, board_id))
    except (NotFound, NotCounted) as error:
        return error
