"""The messages in the Redis key, on the channel and on every socket: one version is the same bytes everywhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec

from app.domain.freezes import Freeze
from app.domain.ids import BoardId, UserId, is_id
from app.domain.signing import UNSIGNED, Signer


class Row(msgspec.Struct, frozen=True):
    """One row of a board, as clients see it; `displayName` only where the user has one."""

    userId: UserId
    username: str
    score: int
    rank: int
    displayName: str | msgspec.UnsetType = msgspec.UNSET


class UpdateMessage(msgspec.Struct, frozen=True, tag="top_scores_update"):
    """A board; `period` is the label of the one that is shown, of boards that have periods.

    The last four are there while it is frozen: since when; and of how many places the last `revealed` are revealed.
    """

    board: BoardId
    epoch: str
    version: int
    payload: list[Row]
    timestamp: str
    period: str | msgspec.UnsetType = msgspec.UNSET
    frozen: bool | msgspec.UnsetType = msgspec.UNSET
    frozenSince: str | msgspec.UnsetType = msgspec.UNSET
    revealed: int | msgspec.UnsetType = msgspec.UNSET
    places: int | msgspec.UnsetType = msgspec.UNSET


class HeartbeatMessage(msgspec.Struct, frozen=True, tag="heartbeat"):
    """Says that all is well, and the version that was last sent; `frozen` is there while the board is frozen.

    While `broadcasting` is false an operator has paused the boards: nothing newer is sent.
    """

    board: BoardId
    epoch: str
    version: int
    timestamp: str
    period: str | msgspec.UnsetType = msgspec.UNSET
    broadcasting: bool = True
    frozen: bool | msgspec.UnsetType = msgspec.UNSET


class _Version(msgspec.Struct, frozen=True, tag="top_scores_update"):
    epoch: str
    version: int


class OwnScoresMessage(msgspec.Struct, frozen=True, tag="own_scores"):
    """A player's own numbers of one moment: all points, and what of them stands on the board."""

    board: BoardId
    userId: UserId
    totalScore: int
    score: int
    rank: int | None
    timestamp: str
    period: str | msgspec.UnsetType = msgspec.UNSET


class RefusedMessage(msgspec.Struct, frozen=True, tag="refused"):
    """The answer to a client that asked to follow boards which it can't; `code` is an error's."""

    boards: list[str]
    code: str


_EVENT_ID = re.compile(r"(.{36})-(\d{1,18})", re.ASCII)

Stamp = tuple[str, int]
"""(epoch, version): epochs are UUIDv7, so that stamps of one board have an order."""


@dataclass(frozen=True, slots=True)
class Update:
    """A board at one version: its stamp, the message that says so, and the payload alone.

    While it is frozen: since when, and, while its places are revealed, "3/10".
    """

    board: BoardId
    stamp: Stamp
    text: str
    payload: bytes
    timestamp: str
    period: str | None = None
    frozen_since: str | None = None
    revealed: str | None = None

    @property
    def content(self) -> tuple[Stamp, bytes, str, str | None, str | None, str | None]:
        """The content without the signature: while keys are rotated one version may have two signatures."""
        return self.stamp, self.payload, self.timestamp, self.period, self.frozen_since, self.revealed

    def rows(self) -> list[Row]:
        """Read the payload."""
        return msgspec.json.decode(self.payload, type=list[Row])

    @property
    def etag(self) -> str:
        return f'"{self.stamp[0]}-{self.stamp[1]}"'

    @property
    def last_modified(self) -> str:
        """The commit time of this version as HTTP writes it, cut to whole seconds."""
        return format_datetime(datetime.fromisoformat(self.timestamp).astimezone(UTC), usegmt=True)


def rfc3339(moment: datetime) -> str:
    """Write a moment in UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def update(
    board: BoardId,
    stamp: Stamp,
    payload: Sequence[Row],
    at: datetime,
    signer: Signer = UNSIGNED,
    period: str | None = None,
    freeze: Freeze | None = None,
) -> Update:
    """Build the message of a board's version; `at` is the time of its commit, `period` a label."""
    epoch, version = stamp
    message = UpdateMessage(board, epoch, version, list(payload), rfc3339(at), _label(period), *_freeze(freeze))
    return _update(message, _signed(message, signer))


def read_update(text: str | bytes, signer: Signer = UNSIGNED) -> Update | None:
    """Read a message from the key or the channel; None when it is not one of ours."""
    try:
        message = msgspec.json.decode(text, type=UpdateMessage)
        # msgspec ignores unknown fields, but clients would be sent them too.
        whole = text if isinstance(text, str) else text.decode()
        datetime.fromisoformat(message.timestamp).astimezone(UTC)
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return None
    if not signer.accepts(whole):
        return None
    return _update(message, whole)


def event_id(text: str) -> str | None:
    """Return the id of the event that carries a message: that of the board's version; None for other messages."""
    try:
        message = msgspec.json.decode(text, type=_Version)
    except msgspec.MsgspecError:
        return None
    return f"{message.epoch}-{message.version}" if is_id(message.epoch) else None


def read_event_id(text: str | None) -> Stamp | None:
    """Read a version from the id of an event; None when it is none."""
    found = _EVENT_ID.fullmatch(text or "")
    return (found[1], int(found[2])) if found and is_id(found[1]) else None


def _update(message: UpdateMessage, text: str) -> Update:
    return Update(
        message.board,
        (message.epoch, message.version),
        text,
        encode(message.payload),
        message.timestamp,
        message.period or None,
        message.frozenSince or None,
        f"{message.revealed}/{message.places}" if message.places else None,
    )


def heartbeat(
    board: BoardId,
    stamp: Stamp,
    at: datetime,
    signer: Signer = UNSIGNED,
    period: str | None = None,
    *,
    broadcasting: bool = True,
    frozen: bool = False,
) -> str:
    """Build the message that says "still here, this is the version you last got, and what else holds right now"."""
    is_frozen = True if frozen else msgspec.UNSET
    return _signed(HeartbeatMessage(board, *stamp, rfc3339(at), _label(period), broadcasting, is_frozen), signer)


def own_scores(
    board: BoardId,
    user_id: UserId,
    total: int,
    score: int,
    rank: int | None,
    at: datetime,
    signer: Signer = UNSIGNED,
    period: str | None = None,
) -> str:
    """Build the message that tells a player's own numbers, in points, to that player alone."""
    return _signed(OwnScoresMessage(board, user_id, total, score, rank, rfc3339(at), _label(period)), signer)


def refused(boards: Sequence[str], code: str, signer: Signer = UNSIGNED) -> str:
    """Build the answer to whoever asked to follow these boards and can't."""
    return _signed(RefusedMessage(list(boards), code), signer)


def _freeze(freeze: Freeze | None) -> tuple[Any, ...]:
    if freeze is None:
        return ()
    since = rfc3339(freeze.since)
    return (True, since) if freeze.places is None else (True, since, freeze.revealed, freeze.places)


def _label(period: str | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if period is None else period


def _signed(message: msgspec.Struct, signer: Signer) -> str:
    if not signer.signs:
        return encode(message).decode()
    return encode(signer.sign(msgspec.to_builtins(message))).decode()


def encode(value: Any) -> bytes:
    """Write `value` as compact JSON."""
    return msgspec.json.encode(value)
