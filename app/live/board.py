"""The newest version of a board, in memory: what every socket and GET /top-scores of this process is served from."""

import functools
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from app.board.publish import Present
from app.domain import messages
from app.domain.board_rules import BoardRule
from app.domain.errors import Unavailable
from app.domain.ids import BoardId
from app.domain.messages import Stamp, Update
from app.domain.periods import Period
from app.domain.signing import Signer

log = logging.getLogger("scoreboard.live")

SAME_MOMENT = 0.1
"""Seconds for which a heartbeat is the same for all."""


class Source(Protocol):
    """What feeds a board."""

    @property
    def signer(self) -> Signer: ...

    @property
    def fed(self) -> bool:
        """Whether what is newer would have arrived."""

    def doubt(self) -> None:
        """Ask PostgreSQL soon."""

    async def look(self) -> None:
        """Read Redis, or PostgreSQL."""

    async def confirm(self, reached: Callable[[], bool]) -> bool:
        """Wait until `reached`, or PostgreSQL was asked; return whether either came about in time."""


class LiveBoard:
    """Holds the newest update of one board: of its present period, where it has periods.

    It is fed by `LiveBoards`. Only PostgreSQL begins another epoch, and with it another period. Sockets listen for what
    is newer than they have seen; nothing is queued for them.
    """

    def __init__(self, rule: BoardRule, source: Source) -> None:
        self.rule = rule
        self.board_id: BoardId = rule.id
        self.update: Update | None = None
        self.period: Period | None = None
        self.ends = self.freezes = math.inf
        self.broadcasting = True
        self.state = (True, False)
        """What heartbeats tell: whether boards are broadcast, and whether this one is frozen."""
        self._source = source
        self._heartbeat: tuple[tuple[Any, ...], float, str] = ((), -math.inf, "")
        self._listeners: set[Callable[[], None]] = set()

    def newer_than(self, seen: Update | None) -> Update | None:
        """Return the newest update if it isn't `seen`; while broadcasting is off, only to those who have seen none."""
        return self.update if self.update is not seen and (self.broadcasting or seen is None) else None

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` on the event loop whenever the board may have changed."""
        self._listeners.add(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call `listener` no more."""
        self._listeners.discard(listener)

    async def now(self) -> Update:
        """Return the board as it is now: from memory, or while nothing feeds it from Redis, or PostgreSQL.

        Raises:
            Unavailable: when neither store can be asked, and there is nothing in memory, or only a period that is over.
        """
        if self.at_hand() is None:
            await self._source.look()
        if self.update is None or self._over:
            raise Unavailable("The board can't be read right now.")
        return self.update

    def at_hand(self) -> Update | None:
        """Return the board in memory; None while nothing feeds it, and once its period is over."""
        return self.update if self._source.fed and not self._over else None

    def shows(self, period: Period) -> bool:
        """Return whether this is the period that is in memory, and the present one."""
        return self.period is not None and self.period.id == period.id and self.at_hand() is not None

    @property
    def _over(self) -> bool:
        return time.monotonic() >= self.ends

    def found(self, present: Present, *, seen: Update | None, asked: float) -> None:
        """Take what PostgreSQL has, read after `seen` was held here.

        Args:
            asked: the moment of the monotonic clock before it was read.
        """
        update, held = present.update, self.update
        if held is None or held is seen or update.stamp > held.stamp:
            # Not older than what we held, though it may be of another epoch: PostgreSQL is the truth.
            if held is None or held.content != update.content:
                self._take(update)
        else:
            self.offer(update)
        if held is None or held is seen or held.stamp[0] <= update.stamp[0]:
            self.period = present.period
            self.ends = math.inf if present.ends_in is None else asked + present.ends_in
            self.freezes = math.inf if present.freezes_in is None else asked + present.freezes_in

    def stored(self, update: Update, period: Period) -> bool:
        """Take what Redis has, if it is of the epoch that is known, or nothing is known; return whether it is.

        Args:
            period: the present one, by this host's clock.
        """
        if update.board != self.board_id:
            return False
        if self.update is None and update.period == period.label:
            # The key is of our own database, and the first look at PostgreSQL is under way.
            self.period = period
            if self.rule.periodic and period.ends is not None:
                self.ends = time.monotonic() + (period.ends - datetime.now(UTC)).total_seconds()
            self._take(update)
            return True
        if self.update is None or self._over or update.stamp[0] != self.update.stamp[0]:
            return False
        self.offer(update)
        return True

    def offer(self, update: Update) -> None:
        """Take a newer version of the current epoch.

        An update of another epoch is never shown: pub/sub knows no database numbers, so it may be of another service on
        the same Redis server. It is a reason to ask PostgreSQL soon.
        """
        if self.update is None or update.stamp[0] != self.update.stamp[0]:
            self._source.doubt()
        elif update.stamp > self.update.stamp:
            self._take(update)

    def broadcast(self, enabled: bool) -> None:
        """Switch pushing to open sockets off or on; when it is on again they get the newest board."""
        if enabled != self.broadcasting:
            self.broadcasting = enabled
            self._tell()

    def heartbeat(self, seen: Update) -> str:
        """Return the heartbeat for who was last sent `seen`; made once for all who are due at the same moment."""
        about, now = (seen.stamp, seen.period, self.state), time.monotonic()
        known, made, text = self._heartbeat
        if about == known and now - made < SAME_MOMENT:
            return text
        broadcasting, frozen = self.state
        text = messages.heartbeat(
            self.board_id,
            seen.stamp,
            datetime.now(UTC),
            self._source.signer,
            seen.period,
            broadcasting=broadcasting,
            frozen=frozen,
        )
        self._heartbeat = (about, now, text)
        return text

    async def resumed(self, stamp: Stamp) -> Update:
        """Return what somebody has seen who was last sent this version, perhaps by another process.

        That may be ahead of this one, which then waits until it has caught up, or PostgreSQL has no such version.

        Raises:
            Unavailable: when neither is so in time; who comes back is never sent what is older.
        """
        if (held := self.update) is None or held.stamp < stamp:
            reached = functools.partial(self._has_reached, stamp)
            if not await self._source.confirm(reached):
                raise Unavailable("The board can't be read right now.")
        if (held := self.update) is not None and held.stamp == stamp:
            return held
        period = held.period if held is not None and held.stamp[0] == stamp[0] else None
        return Update(self.board_id, stamp, "", b"", "", period)

    def _has_reached(self, stamp: Stamp) -> bool:
        return self.update is not None and self.update.stamp >= stamp

    def _take(self, update: Update) -> None:
        self.update = update
        self._tell()

    def _tell(self) -> None:
        self.state = (self.broadcasting, self.update is not None and self.update.frozen_since is not None)
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception:  # one socket's trouble is not the others'
                log.exception("a board was not sent")
