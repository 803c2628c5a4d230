"""What the service answers, as values. Members that a newer service adds are left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

State = Literal["connecting", "live", "paused", "frozen", "reconnecting", "ended"]
"""`paused`: the operator has stopped telling of changes; `frozen`: the board stays as it is, points count on; `ended`:
for good, by `close()` or a refusal."""

Way = Literal["socket", "stream", "poll"]
"""How boards come."""

DEFAULT_BOARD = "all-time"


@dataclass(frozen=True, slots=True)
class Row:
    """A place on a board; `rank` counts from 1, and `display_name` is in any script and not unique."""

    user_id: str
    username: str
    score: int
    rank: int
    display_name: str | None = None

    @property
    def name(self) -> str:
        """The name to show."""
        return self.display_name or self.username


@dataclass(frozen=True, slots=True)
class Position:
    """Where a board stands: versions rise within an epoch."""

    epoch: str
    version: int

    @classmethod
    def of(cls, id: str) -> "Position":
        """Read the `id` of a board; raise ValueError for what is none."""
        epoch, _, version = id.rpartition("-")
        if not (epoch and version.isascii() and version.isdecimal()):
            raise ValueError(f"{id!r} is not the id of a board, such as '019a8f00-0000-7000-8000-000000000000-42'")
        return cls(epoch, int(version))


@dataclass(frozen=True, slots=True)
class Board:
    """A version of a board.

    Attributes:
        rows: the first place first.
        timestamp: when this version was made.
        period: which of its days, weeks or months this is, of a board that begins anew.
        frozen: these rows stay until it is thawed; while `places` are revealed they are the last `revealed`.
    """

    board: str
    epoch: str
    version: int
    rows: tuple[Row, ...]
    timestamp: datetime
    period: str | None = None
    frozen: bool = False
    frozen_since: datetime | None = None
    revealed: int | None = None
    places: int | None = None

    @property
    def id(self) -> str:
        """What `follow(after=)` takes, in this process or a later one."""
        return f"{self.epoch}-{self.version}"

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.version)


@dataclass(frozen=True, slots=True)
class Retry:
    """While reconnecting: how many attempts have failed, and when the next one begins."""

    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Action:
    """An action. `score` is what it earned; `awarded_points` and `total_score` are there when its end was answered;
    `replayed`: it had been done before, and was not done again."""

    action_id: str
    user_id: str
    type: str
    status: Literal["started", "completed", "cancelled"]
    start_at: datetime
    end_at: datetime | None
    score: int | None
    metadata: Mapping[str, Any]
    settlement: Literal["pending", "cleared", "held", "reversed"] | None = None
    value: int | None = None
    awarded_points: int | None = None
    total_score: int | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """A user: all points, what of them stands on `all-time`, and the place there (None: not on the board)."""

    user_id: str
    username: str
    display_name: str | None
    role: str
    total_score: int
    score: int
    rank: int | None


@dataclass(frozen=True, slots=True)
class ExternalUser:
    """A user whom one's own system knows by `external_id`."""

    user_id: str
    external_id: str
    username: str
    display_name: str | None
    status: str
    total_score: int


def moment(text: str) -> datetime:
    """Read a time of RFC 3339."""
    return datetime.fromisoformat(text)


def rows_of(payload: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Read the rows of a board."""
    return tuple(Row(it["userId"], it["username"], it["score"], it["rank"], it.get("displayName")) for it in payload)


def board_of(message: Mapping[str, Any]) -> Board:
    """Read a message `top_scores_update`."""
    since = message.get("frozenSince")
    return Board(
        board=message.get("board", DEFAULT_BOARD),
        epoch=message["epoch"],
        version=message["version"],
        rows=rows_of(message["payload"]),
        timestamp=moment(message["timestamp"]),
        period=message.get("period"),
        frozen=message.get("frozen") is True,
        frozen_since=moment(since) if since else None,
        revealed=message.get("revealed"),
        places=message.get("places"),
    )


def action_of(said: Mapping[str, Any], *, replayed: bool = False) -> Action:
    """Read an action."""
    return Action(
        action_id=said["actionId"],
        user_id=said["userId"],
        type=said["type"],
        status=said["status"],
        start_at=moment(said["startAt"]),
        end_at=moment(said["endAt"]) if said.get("endAt") else None,
        score=said.get("score"),
        metadata=said.get("metadata") or {},
        settlement=said.get("settlement"),
        value=said.get("value"),
        awarded_points=said.get("awardedPoints"),
        total_score=said.get("totalScore"),
        replayed=replayed,
    )
