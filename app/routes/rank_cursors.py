"""Where a page of a board ends: opaque to clients, and right however the standings have moved since."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from starlette.requests import Request

from app.domain.errors import Malformed, WrongCursor
from app.domain.ids import BoardId, UserId, is_id
from app.routes.which_board import Which
from db.ranks import Key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: of which period, its rank then, and its key in the order, None on a frozen board."""

    period_id: BoardId
    rank: int
    key: Key | None = None

    @property
    def text(self) -> str:
        """The cursor as clients carry it."""
        written: list[str | int] = [self.period_id, self.rank]
        if self.key is not None:
            written += [self.key.place, (self.key.reached_at - _EPOCH) // timedelta(microseconds=1), self.key.user_id]
        return base64.urlsafe_b64encode(msgspec.json.encode(written)).rstrip(b"=").decode()

    def over(self) -> WrongCursor:
        """Return why a cursor of a frozen board is none of one that isn't."""
        return WrongCursor("cursor: the board is no longer frozen; begin with the first page.")


def cursor_of(request: Request, which: Which) -> Cursor | None:
    """Return the end of the page before, None for the first page.

    Raises:
        Malformed: when it is no `nextCursor`.
        WrongCursor: when it is one of another board, or of another period than is asked for.
    """
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        cursor = _read(text)
    except (ValueError, OverflowError, binascii.Error):
        raise Malformed("cursor: must be the nextCursor of a page.") from None
    board = cursor.period_id.partition(":")[0]
    if board != which.rule.id or (which.named is not None and which.named.id != cursor.period_id):
        raise WrongCursor("cursor: is one of another board or period.")
    return cursor


def _read(text: str) -> Cursor:
    if len(text) > _LONGEST or not text.isascii():
        raise ValueError
    written = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
    period_id, rank, *rest = msgspec.convert(written, list)
    if not (isinstance(period_id, str) and isinstance(rank, int) and 0 < rank < 2**53):
        raise ValueError
    if not rest:
        return Cursor(BoardId(period_id), rank)
    place, micros, user_id = rest
    if not (isinstance(place, int) and abs(place) < 2**63 and isinstance(micros, int) and is_id(str(user_id))):
        raise ValueError
    return Cursor(BoardId(period_id), rank, Key(place, _EPOCH + timedelta(microseconds=micros), UserId(user_id)))
