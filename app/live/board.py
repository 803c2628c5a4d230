"""The newest board, in memory: what every socket and GET /top-scores of this process is served from."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import redis
import sqlalchemy as sa

from app.board.publish import publish
from app.concurrency.single_flight import SingleFlight
from app.concurrency.threads import Threads
from app.domain import messages
from app.domain.errors import ScoreboardError, Unavailable
from app.domain.ids import BoardId
from app.domain.messages import Update
from app.live.relay import SupervisedRedis
from db import feature_flags
from db.redis import Publisher, top_scores_key
from db.transaction import in_statement

log = logging.getLogger("scoreboard.live")

CHECK_EVERY = 3.0
"""Seconds between two looks at PostgreSQL: pub/sub may lose messages, and the key may be behind as well."""

CHECK_AGAIN = 0.5
"""The shortest time between two checks in seconds, however many messages ask for one."""


class LiveBoard:
    """Holds the newest update of one board.

    It is fed by `LiveBoards`, and checked against PostgreSQL every few seconds, which also mends the
    key. Only PostgreSQL begins another epoch. Sockets listen for what is newer than they have seen; nothing is
    queued for them.
    """

    def __init__(
        self, board_id: BoardId, engine: sa.Engine, publisher: Publisher, relay: SupervisedRedis, threads: Threads
    ) -> None:
        self.board_id = board_id
        self.update: Update | None = None
        self.broadcasting = True
        self._engine = engine
        self._publisher = publisher
        self._relay = relay
        self._threads = threads
        self._listeners: set[Callable[[], None]] = set()
        self._checked = self._in_vain = -CHECK_EVERY * 10
        self._looking: SingleFlight[None] = SingleFlight()
        self._in_doubt = asyncio.Event()

    def newer_than(self, seen: Update | None) -> Update | None:
        """Return the newest update if it isn't `seen`; while broadcasting is off, only to those who have seen none."""
        return self.update if self.update is not seen and (self.broadcasting or seen is None) else None

    @contextlib.contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call `listener` on the event loop whenever the board may have changed."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def now(self) -> Update:
        """Return the board as it is now: from memory, or while nothing feeds it from Redis, or PostgreSQL.

        While neither can be asked, one look every few seconds is enough: the others don't wait for it.

        Raises:
            Unavailable: when there is nothing in memory and neither store can be asked.
        """
        in_vain = self.update is not None and time.monotonic() - self._in_vain < CHECK_EVERY
        if self.at_hand() is None and not in_vain:
            await self._looking.run(self.look)
        if self.update is None:
            raise Unavailable("The board can't be read right now.")
        return self.update

    def at_hand(self) -> Update | None:
        """Return the board in memory, None while nothing feeds it."""
        fed = self._relay.connected or time.monotonic() - self._checked < 2 * CHECK_EVERY
        return self.update if fed else None

    async def check(self) -> None:
        """Bring memory, key and channel to the board as PostgreSQL has it."""
        seen = self.update
        update = await self._threads.run(publish, self._engine, self._publisher, self.board_id, seen=seen)
        flags = await self._threads.run(in_statement, self._engine, feature_flags.read)
        self.broadcast({flag.name: flag.enabled for flag in flags}[feature_flags.BROADCAST])
        self._checked = time.monotonic()
        if self.update is seen:
            # Not older than what we held, though it may be of another epoch: PostgreSQL is the truth.
            if seen is None or seen.content != update.content:
                self._take(update)
        else:
            self.offer(update)

    def offer(self, update: Update) -> None:
        """Take a newer version of the current epoch.

        An update of another epoch is never shown: pub/sub knows no database numbers, so it may be of another service on
        the same Redis server. It is a reason to ask PostgreSQL soon.
        """
        if self.update is None or update.stamp[0] != self.update.stamp[0]:
            self._in_doubt.set()
        elif update.stamp > self.update.stamp:
            self._take(update)

    def broadcast(self, enabled: bool) -> None:
        """Switch pushing to open sockets off or on; when it is on again they get the newest board."""
        if enabled != self.broadcasting:
            log.warning("broadcasting is switched %s", "on" if enabled else "off")
            self.broadcasting = enabled
            self._tell()

    def heartbeat(self, seen: Update) -> str:
        """Return the heartbeat for a socket that was last sent `seen`."""
        return messages.heartbeat(self.board_id, seen.stamp, datetime.now(UTC), self._publisher.signer)

    def _take(self, update: Update) -> None:
        self.update = update
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception:  # one socket's trouble is not the others'
                log.exception("a board was not sent")

    async def look(self) -> None:
        """Read Redis, then, if it has nothing, PostgreSQL."""
        try:
            stored = await self._threads.run(self._publisher.client.get, top_scores_key(self.board_id))
        except (redis.RedisError, ScoreboardError):
            stored = None
        found = messages.read_update(stored, self._publisher.signer) if stored else None
        if found is not None and found.board == self.board_id:
            if self.update is None:
                self._take(found)  # the key is of our own database; the first look at PostgreSQL is under way
                return
            if found.stamp[0] == self.update.stamp[0]:
                self.offer(found)
                return
        try:
            await self.check()
        except ScoreboardError as error:
            self._in_vain = time.monotonic()
            log.debug("the board can't be read: %s", error)

    async def run(self) -> None:
        """Check the board until cancelled."""
        while True:
            self._in_doubt.clear()
            try:
                await self.check()
            except ScoreboardError as error:
                log.debug("the board can't be checked: %s", error)
            except Exception:
                log.exception("checking the board failed")
            await asyncio.sleep(CHECK_AGAIN)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._in_doubt.wait(), CHECK_EVERY - CHECK_AGAIN)
