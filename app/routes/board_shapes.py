"""The answers about boards and their periods. Source: contract, section 4."""

import msgspec
from msgspec import UNSET, UnsetType

from app.domain.board_rules import By, Of, Order, Window
from app.domain.moments import Moment


class Board(msgspec.Struct, rename="camel", kw_only=True):
    """A board, its rules, and its present period.

    `from` and `to` are there for a season, `types` where not all of them count, `unit` and `freezeAt` where they are
    set. `frozen` tells whether the public sees the board as it was at `frozenSince`; while it is revealed `revealed` of
    its `places` are shown. `period` is the label of the present period, of boards that have several; `startsAt` and
    `endsAt` are there for every period that ends, but for a season that isn't under way.
    """

    board: str
    title: str
    window: Window
    zone: str
    from_: Moment | UnsetType = msgspec.field(default=UNSET, name="from")
    to: Moment | UnsetType = UNSET
    types: list[str] | UnsetType = UNSET
    of: Of
    by: By
    order: Order
    unit: str | UnsetType = UNSET
    top: int
    freeze_at: Moment | UnsetType = UNSET
    frozen: bool
    frozen_since: Moment | UnsetType = UNSET
    revealed: int | UnsetType = UNSET
    places: int | UnsetType = UNSET
    period: str | UnsetType = UNSET
    starts_at: Moment | UnsetType = UNSET
    ends_at: Moment | UnsetType = UNSET


class Boards(msgspec.Struct):
    """All boards, in the order of their ids."""

    items: list[Board]


class BoardPeriod(msgspec.Struct, rename="camel"):
    """A period of a board: once it is `final` nothing but a correction changes it."""

    period: str
    starts_at: Moment
    ends_at: Moment
    final: bool


class BoardPeriods(msgspec.Struct, rename="camel"):
    """A page of a board's periods, newest first, and the cursor of the next one."""

    items: list[BoardPeriod]
    next_cursor: str | UnsetType = UNSET
