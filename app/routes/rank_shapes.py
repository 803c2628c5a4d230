"""The answers about places on boards. Source: contract, section 4, Ranks."""

import msgspec
from msgspec import UNSET, UnsetType

from app.domain.messages import Row


class Place(msgspec.Struct, rename="camel", kw_only=True):
    """A user beside a board; `rank` and `percentile` are null for who isn't on it, `of` are on it.

    `frozen` is there, and true, while the board is frozen.
    """

    user_id: str
    username: str
    display_name: str | UnsetType = UNSET
    score: int | None
    rank: int | None
    of: int | None
    percentile: float | None
    frozen: bool | UnsetType = UNSET


class RankedUsers(msgspec.Struct):
    """Users beside a board, those on it first, in the order of their places."""

    items: list[Place]
    frozen: bool | UnsetType = UNSET


class BoardPage(msgspec.Struct, rename="camel"):
    """Neighbours on a board in its order; `nextCursor` is there when others follow."""

    items: list[Row]
    next_cursor: str | UnsetType = UNSET
    frozen: bool | UnsetType = UNSET
