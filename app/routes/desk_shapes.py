"""The answers that the operators' page is made of. Source: contract, section 8."""

from typing import Any, Literal

import msgspec

from app.domain.actions import Action
from app.domain.measured import Measure
from app.domain.moments import Moment
from app.routes.operator_shapes import UserRecord


class HeldAction(msgspec.Struct, rename="camel"):
    """An action that waits for a decision."""

    action_id: str
    type: str
    score: int
    end_at: Moment


class HeldPlayer(msgspec.Struct, rename="camel"):
    """A player with held actions, the newest of them, and what the rule saw that held the newest.

    `saw`, `limit` and `usual` are on one scale, that of `measure` in a minute; null for a rule that measures nothing,
    and where it isn't known. `address` is there for actions that `shared_ip` held, as long as addresses are kept.
    """

    user_id: str
    username: str | None
    display_name: str | None
    held: int
    points: int
    actions: list[HeldAction]
    rule: str | None
    reason: str | None
    facts: dict[str, Any]
    measure: Measure | None
    saw: float | None
    limit: float | None
    usual: float | None
    address: str | None


class HeldPlayers(msgspec.Struct, rename="camel"):
    """A page of players with held actions, and the cursor of the next one."""

    items: list[HeldPlayer]
    next_cursor: str | None


class Skipped(msgspec.Struct, rename="camel"):
    """An action that a decision left as it was, and why."""

    action_id: str
    code: str
    detail: str


class Decided(msgspec.Struct, rename="camel"):
    """The actions that were decided, and those that were left as they were."""

    items: list[Action]
    skipped: list[Skipped]


class Minute(msgspec.Struct, rename="camel"):
    """What was played in a minute; `more`: there was more than was read, the numbers are lower bounds."""

    at: Moment
    players: int
    completions: int
    points: int
    more: bool


class Activity(msgspec.Struct, rename="camel", kw_only=True):
    """What was played lately, as far as it counts; and how many listen now."""

    since: Moment = msgspec.field(name="from")
    until: Moment
    players: int
    completions: int
    points: int
    listeners: int
    minutes: list[Minute]


class PlayerRow(UserRecord, rename="camel"):
    """A user in the table of players, with rank on the default board, held actions (100 at most) and the last deed."""

    rank: int | None
    held: int
    last_seen_at: Moment | None


class PlayerCounts(msgspec.Struct, rename="camel"):
    """How many users there are of each kind; 1,000 means as many or more."""

    all: int
    held: int
    suspended: int
    hidden: int
    never: int


class PlayerRows(msgspec.Struct, rename="camel"):
    """A page of the table of players, the cursor of the next one, and with the first page how many there are."""

    items: list[PlayerRow]
    next_cursor: str | None
    counts: PlayerCounts | None


PlayerStatus = Literal["held", "suspended", "hidden", "never"]
PlayerSort = Literal["points", "name", "newest"]
