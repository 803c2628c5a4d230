"""Which boards there are, and what counts on each: read from `boards.toml`."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal

import msgspec

from app.domain import zones
from app.domain.ids import DEFAULT_BOARD, BoardId

MOST_BOARDS = 32
"""An action is settled onto each of them in one transaction."""

MOST_TOP = 100
"""Places that a board may show."""

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")

Window = Literal["all", "daily", "weekly", "monthly", "season"]
Of = Literal["points", "value"]
By = Literal["sum", "best", "latest"]
Order = Literal["highest", "lowest"]

_Top = Annotated[int, msgspec.Meta(ge=1, le=MOST_TOP)]
_Unit = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
_Types = Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], ...], msgspec.Meta(min_length=1)]


class BoardRule(msgspec.Struct, frozen=True, kw_only=True):
    """The rule of one board.

    `starts` and `ends` are of a season, in UTC; `ends` is the first moment after it. `types` are the action types that
    count, None for all. `unit` is what scores are shown in, and `top` how many places the board shows.
    """

    id: BoardId
    title: str
    window: Window = "all"
    zone: str = "UTC"
    starts: datetime | None = None
    ends: datetime | None = None
    types: frozenset[str] | None = None
    of: Of = "points"
    by: By = "sum"
    order: Order = "highest"
    unit: str | None = None
    top: int = 10
    freeze_at: datetime | None = None

    def counts(self, action_type: str, value: int | None, points: int) -> int | None:
        """Return what a cleared action adds to this board, in points or as its value; None when it doesn't count."""
        if self.types is not None and action_type not in self.types:
            return None
        if self.of == "value":
            return value
        return points or None

    @property
    def periodic(self) -> bool:
        """Whether the board begins anew with each day, week or month."""
        return self.window in ("daily", "weekly", "monthly")

    @property
    def lowest(self) -> bool:
        """Whether the lowest score is the first."""
        return self.order == "lowest"

    @property
    def valued(self) -> bool:
        """Whether values count, which may be 0 or below, and not points."""
        return self.of == "value"

    @property
    def adjustable(self) -> bool:
        """Whether points count that operators give or take, which belong to no action and no type."""
        return self.of == "points" and self.by == "sum" and self.types is None


BoardRules = dict[BoardId, BoardRule]
"""The rules of the boards, in the order of their ids, in which boards are locked."""


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """A board's table as the file has it."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    window: Window | None = None
    zone: str = "UTC"
    from_: Any = msgspec.field(default=None, name="from")
    to: Any = None
    types: _Types | None = None
    of: Of = "points"
    by: By = "sum"
    order: Order = "highest"
    unit: _Unit | None = None
    top: _Top = 10
    freeze_at: Any = None


def parse(table: Mapping[str, Any], known_types: Collection[str] | None = None) -> BoardRules:
    """Read the rules from a parsed `boards.toml`.

    Args:
        known_types: the action types of `scoring.toml`; None where they aren't looked at.

    Raises:
        ValueError: one line that names the key.
    """
    for key in table:
        if key != "boards":
            raise ValueError(f"{key}: unknown key, only [boards.<id>] is known")
    boards = table.get("boards")
    if not isinstance(boards, dict) or DEFAULT_BOARD not in boards:
        raise ValueError(f"boards.{DEFAULT_BOARD}: is missing")
    if len(boards) > MOST_BOARDS:
        raise ValueError(f"boards: there are {len(boards)}, and at most {MOST_BOARDS} may be")
    rules = {BoardId(name): _parse_board(name, boards[name]) for name in sorted(boards)}
    _check_default(rules[DEFAULT_BOARD])
    for rule in rules.values():
        for action_type in sorted((rule.types or frozenset()) - set(known_types or rule.types or ())):
            raise ValueError(f"boards.{rule.id}.types: the scoring rules have no type {action_type!r}")
    return rules


def _parse_board(name: str, table: object) -> BoardRule:
    if not _ID.fullmatch(name):
        raise ValueError(f"boards.{name}: an id has 1 to 32 of a-z, 0-9 and -, none of them - at its ends")
    if not isinstance(table, dict):
        raise ValueError(f"boards.{name}: must be a table")
    try:
        written = msgspec.convert(table, _Written)
    except msgspec.ValidationError as error:
        raise ValueError(_named(name, str(error))) from None
    title = name.replace("-", " ").capitalize() if written.title is None else written.title
    for key, text in (("title", title), ("unit", written.unit or "x")):
        if not text.isprintable() or text != text.strip():
            raise ValueError(f"boards.{name}.{key}: must be printable, without spaces at its ends")
    try:
        zones.zone(written.zone)
    except ValueError as error:
        raise ValueError(f"boards.{name}.zone: {written.zone!r} {error}") from None
    starts = _moment(f"boards.{name}.from", written.from_, written.zone)
    ends = _moment(f"boards.{name}.to", written.to, written.zone)
    return BoardRule(
        id=BoardId(name),
        title=title,
        window=_window(name, written.window, starts, ends),
        zone=written.zone,
        starts=starts,
        ends=ends,
        types=None if written.types is None else frozenset(written.types),
        of=written.of,
        by=written.by,
        order=written.order,
        unit=written.unit,
        top=written.top,
        freeze_at=_moment(f"boards.{name}.freeze_at", written.freeze_at, written.zone),
    )


def _named(name: str, error: str) -> str:
    """Return msgspec's message in one line that begins with the key."""
    message, _, path = error.partition(" - at `$")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL)
    if unknown:
        return f"boards.{name}.{unknown[1]}: unknown key"
    return f"boards.{name}{path.rstrip('`')}: {message[0].lower()}{message[1:]}"


def _moment(key: str, written: object, zone: str) -> datetime | None:
    """Return a TOML date or date-time in UTC; one without an offset is the zone's."""
    if written is None:
        return None
    if not isinstance(written, date):  # a datetime is one, too
        raise ValueError(f"{key}: must be a date, or a date and a time, without quotes")
    try:
        if not isinstance(written, datetime):
            written = datetime.combine(written, time())
        return written.astimezone(UTC) if written.tzinfo else zones.first_moment(written, zone)
    except OverflowError:
        raise ValueError(f"{key}: is no moment in UTC") from None


def _window(name: str, window: Window | None, starts: datetime | None, ends: datetime | None) -> Window:
    if starts is None and ends is None:
        if window == "season":
            raise ValueError(f"boards.{name}.from: a season has from and to")
        return window or "all"
    if window not in (None, "season"):
        raise ValueError(f"boards.{name}.window: a season, which has from and to, has no other window")
    if starts is None or ends is None:
        raise ValueError(f"boards.{name}.{'from' if starts is None else 'to'}: a season has from and to")
    if starts >= ends:
        raise ValueError(f"boards.{name}.to: must be later than from")
    return "season"


def _check_default(rule: BoardRule) -> None:
    """The board that counts everything, whose score is the sum of all points that count."""
    fixed = {"window": "all", "types": None, "of": "points", "by": "sum", "order": "highest"}
    for key, value in fixed.items():
        if getattr(rule, key) != value:
            raise ValueError(f"boards.{rule.id}.{key}: is fixed; make another board for another rule")
