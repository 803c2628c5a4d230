"""What the public may see of a board: the one place that every public read of boards asks.

While a board is frozen nobody outside sees more of it than the rows that it shows. Source: contract, section 4,
"Freezes", and docs/decisions.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.domain.board_rules import BoardRule
from app.domain.ids import BoardId, UserId
from app.domain.messages import Row
from db import boards, freezes, standings


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frozen board: since when it is, and all that may be shown of it, the first place first.

    `revealed` and `places` are there while its places are revealed: the rows are the last `revealed` of `places`.
    """

    since: datetime
    rows: list[Row]
    revealed: int | None = None
    places: int | None = None

    def row_of(self, user_id: UserId) -> Row | None:
        """Return a user's row, None for everybody else, on the board or not."""
        return next((row for row in self.rows if row.userId == user_id), None)


def frozen(conn: sa.Connection, board_id: BoardId) -> Frozen | None:
    """Return what may be shown of a board, or one of its periods, if it is frozen; None when everything may be.

    Call it after whatever it is about was read, in one transaction or one after the other: a freeze that has begun in
    between then hides what was read.
    """
    found = boards.read_frozen(conn, board_id)
    return Frozen(*found) if found else None


def live(conn: sa.Connection, rule: BoardRule, board_id: BoardId) -> tuple[list[Row], datetime | None]:
    """Return the rows as the standings of now have them, for who may see them, and since when others don't, if so."""
    rows = boards.rows_of(standings.top(conn, board_id, rule.top))
    freeze = freezes.of(conn, [board_id]).get(board_id)
    return rows, freeze.since if freeze else None
