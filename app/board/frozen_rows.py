"""The rows of a frozen board: they stay as they were, but for who may not be shown any more, and for names."""

import msgspec
import sqlalchemy as sa

from app.domain.ids import BoardId
from app.domain.messages import Row
from db import freezes


def mend(conn: sa.Connection, board_id: BoardId) -> bool:
    """Take those off a locked, frozen board who may not be shown any more, and show everybody else's present names.

    The rows below move up, with the scores that they had; nobody enters, since that would tell of the standings of now.
    Whoever may be shown again comes back when the freeze ends.

    Returns:
        Whether anything has changed, and with it the board's version.
    """
    state = freezes.read(conn, board_id)
    before = freezes.rows(conn, board_id)
    kept = [it for it in before if it.shown]
    gone = len(before) - len(kept)
    places = state.places - gone if state.places is not None else None
    # While places are revealed, from the last up, the rows end at the last place.
    first = 1 if places is None else places - len(kept) + 1
    now = [
        Row(
            it.row.userId,
            it.username,
            it.row.score,
            rank,
            msgspec.UNSET if it.display_name is None else it.display_name,
        )
        for rank, it in enumerate(kept, start=first)
    ]
    if now == [it.row for it in before]:
        return False
    revealed = None if places is None else len(kept)
    freezes.write_rows(conn, board_id, now, revealed=revealed, places=places)
    return True
