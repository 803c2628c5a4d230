"""The answers about what was: scores over time, and what was completed lately. Source: contract, section 4."""

import msgspec
from msgspec import UNSET, UnsetType

from app.domain.moments import Moment


class ScoreAt(msgspec.Struct):
    """A score, and the moment at which it stood; null where there was none yet."""

    at: Moment
    score: int | None


class Line(msgspec.Struct, rename="camel", kw_only=True):
    """A player's score on a board over time."""

    user_id: str
    username: str
    display_name: str | UnsetType = UNSET
    points: list[ScoreAt]


class BoardHistory(msgspec.Struct, rename="camel", kw_only=True):
    """Scores on a board from one moment to another; `frozen` where it is, and they end with that."""

    from_: Moment = msgspec.field(name="from")
    to: Moment
    items: list[Line]
    frozen: bool | UnsetType = UNSET


class FeedItem(msgspec.Struct, rename="camel", kw_only=True):
    """An action that counts on a board: when it ended, whose it is, and what it earned."""

    action_id: str
    at: Moment
    user_id: str
    username: str
    display_name: str | UnsetType = UNSET
    type: str
    points: int
    value: int | UnsetType = UNSET


class Feed(msgspec.Struct, rename="camel", kw_only=True):
    """A page of what counts on a board, newest first, and the cursor of the next one."""

    items: list[FeedItem]
    next_cursor: str | UnsetType = UNSET
    frozen: bool | UnsetType = UNSET
