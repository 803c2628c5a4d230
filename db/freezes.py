"""SQL on freezes: from when a board keeps the rows that it shows, and how many of its places are revealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.domain.ids import BoardId

FROZEN = "({it}.says_frozen OR coalesce({it}.frozen_from <= clock_timestamp(), false))"
"""Holds for a row of `boards`, named `{it}`, that is frozen.

The clock is asked after the statement took its snapshot: what a statement has read, for which this doesn't hold, is
from before the freeze.
"""


@dataclass(frozen=True, slots=True)
class Freeze:
    """A board's freeze: when it began; and of how many places how many are revealed, while they are being revealed."""

    since: datetime
    revealed: int | None = None
    places: int | None = None


_OF = sa.text(f"""
    SELECT id, frozen_from, revealed, places FROM boards
    WHERE id = ANY(CAST(:boards AS text[])) AND {FROZEN.format(it="boards")}
""")


def of(conn: sa.Connection, board_ids: Sequence[BoardId]) -> dict[BoardId, Freeze]:
    """Return the freezes of those of the boards that are frozen."""
    return {BoardId(row[0]): Freeze(*row[1:]) for row in conn.execute(_OF, {"boards": list(board_ids)})}
