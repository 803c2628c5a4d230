"""The live boards of a process: one subscription feeds them all, and one look at PostgreSQL checks them all."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import redis
import sqlalchemy as sa
from broadcaster import Broadcast

from app.board.publish import Present, publish_all
from app.concurrency.single_flight import SingleFlight
from app.concurrency.threads import Threads
from app.domain import messages, periods
from app.domain.board_rules import BoardRules
from app.domain.errors import ScoreboardError
from app.domain.ids import BoardId
from app.domain.messages import Update
from app.domain.signing import Signer
from app.live.board import LiveBoard
from app.live.relay import RESYNC, SupervisedRedis
from db import feature_flags
from db.redis import TOP_SCORES_CHANNEL, Publisher, top_scores_channel, top_scores_key
from db.transaction import in_statement

log = logging.getLogger("scoreboard.live")

CHECK_EVERY = 3.0
"""Seconds between two looks at PostgreSQL: pub/sub may lose messages, and the keys may be behind as well."""

CHECK_AGAIN = 0.5
"""The shortest time between two checks in seconds, however many messages ask for one; but for the end of a period."""

CONFIRM_WITHIN = 5.0
"""Seconds for which somebody waits who has seen what this process has not."""

CONFIRM_EVERY = 0.2

COMPLAIN_EVERY = 60.0
"""Seconds between two log lines about messages that are not ours."""


class LiveBoards(dict[BoardId, LiveBoard]):
    """The live boards by their ids. A message is for the board that it names.

    All of them are checked against PostgreSQL together every few seconds, and as soon as the period of one has ended,
    or one freezes; that mends the keys, too.
    """

    def __init__(
        self, rules: BoardRules, engine: sa.Engine, publisher: Publisher, relay: SupervisedRedis, threads: Threads
    ) -> None:
        super().__init__({rule.id: LiveBoard(rule, self) for rule in rules.values()})
        self.rules = rules
        self.signer: Signer = publisher.signer
        self._engine = engine
        self._publisher = publisher
        self._relay = relay
        self._threads = threads
        self._relayed = Broadcast(backend=relay)
        self._checked = self._in_vain = self._confirmed = -CHECK_EVERY * 10
        self._looking: SingleFlight[None] = SingleFlight()
        self._in_doubt = asyncio.Event()
        self._complained = -math.inf
        self.broadcasting = True

    async def run(self) -> None:
        """Feed and check the boards until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="live-follow")
            tasks.create_task(self.check_for_ever(), name="live-check")

    def broadcast(self, enabled: bool) -> None:
        """Switch pushing to open sockets off or on, for every board."""
        if enabled != self.broadcasting:
            log.warning("broadcasting is switched %s", "on" if enabled else "off")
            self.broadcasting = enabled
        for board in self.values():
            board.broadcast(enabled)

    @property
    def fed(self) -> bool:
        """Whether what is newer than the boards in memory would have arrived."""
        return self._relay.connected or time.monotonic() - self._checked < 2 * CHECK_EVERY

    def doubt(self) -> None:
        """Ask PostgreSQL soon."""
        self._in_doubt.set()

    async def look(self) -> None:
        """Read the boards from Redis, then, if it hasn't all of them, from PostgreSQL; one look at a time.

        While neither can be asked, one look every few seconds is enough: the others don't wait for it.
        """
        in_vain = time.monotonic() - self._in_vain < CHECK_EVERY and all(it.update for it in self.values())
        if not in_vain:
            await self._looking.run(self._look)

    async def confirm(self, reached: Callable[[], bool]) -> bool:
        """Wait until `reached`, or until PostgreSQL was asked; return whether either came about in time."""
        began = time.monotonic()
        self.doubt()
        while not reached() and self._confirmed < began:
            if time.monotonic() - began > CONFIRM_WITHIN:
                return False
            await asyncio.sleep(CONFIRM_EVERY)
        return True

    async def _look(self) -> None:
        if await self._look_at_redis():
            return
        try:
            await self.check()
        except ScoreboardError as error:
            self._in_vain = time.monotonic()
            log.debug("the boards can't be read: %s", error)

    async def _look_at_redis(self) -> bool:
        """Take what Redis has, and return whether that is enough."""
        try:
            keys = [top_scores_key(board_id) for board_id in self]
            stored = await self._threads.run(self._publisher.client.mget, keys)
        except (redis.RedisError, ScoreboardError):
            return False
        now = datetime.now(UTC)
        found = [messages.read_update(text, self.signer) if text else None for text in stored]
        taken = [
            update is not None and board.stored(update, periods.shown(board.rule, now))
            for board, update in zip(self.values(), found, strict=True)
        ]
        return all(taken)

    async def check(self) -> None:
        """Bring memory, keys and channel to the boards as PostgreSQL has them.

        Raises:
            ScoreboardError: when PostgreSQL can't be asked.
        """
        seen = {board_id: board.update for board_id, board in self.items()}
        asked = time.monotonic()
        found, broadcasting = await self._threads.run(_ask, self._engine, self._publisher, self.rules, seen)
        self.broadcast(broadcasting)
        self._checked = time.monotonic()
        for board_id, present in found.items():
            self[board_id].found(present, seen=seen[board_id], asked=asked)
        self._confirmed = asked

    async def check_for_ever(self) -> None:
        """Check the boards every few seconds, when one is in doubt, and when a period ends or one freezes, for ever."""
        while True:
            self._in_doubt.clear()
            began = time.monotonic()
            try:
                await self.check()
            except ScoreboardError as error:
                log.debug("the boards can't be checked: %s", error)
            except Exception:
                log.exception("checking the boards failed")
            # Not those whose moment had passed before: while PostgreSQL is away nothing follows them. One that passed
            # during the check had not come yet by PostgreSQL's clock: it is asked again at once.
            moments = [moment for it in self.values() for moment in (it.ends, it.freezes) if moment > began]
            next_end = max(0.0, min(moments, default=math.inf) - time.monotonic())
            await asyncio.sleep(min(CHECK_AGAIN, next_end))
            if next_end > CHECK_AGAIN:
                with contextlib.suppress(TimeoutError):
                    wait = min(CHECK_EVERY, next_end) - CHECK_AGAIN
                    await asyncio.wait_for(self._in_doubt.wait(), wait)

    async def _follow(self) -> None:
        while True:
            try:
                async with self._relayed, asyncio.TaskGroup() as channels:
                    for board_id in self:
                        channels.create_task(self._listen(top_scores_channel(board_id)), name="live-channel")
            except Exception:
                log.exception("the relay's listener died, it is started again")
            await asyncio.sleep(1)

    async def _listen(self, channel: str) -> None:
        async with self._relayed.subscribe(channel) as subscriber:
            while True:
                await self._hear((await subscriber.get()).message)

    async def _hear(self, text: str) -> None:
        if text == RESYNC:
            await self.look()
        elif (update := messages.read_update(text, self.signer)) is not None:
            if (board := self.get(update.board)) is not None:
                board.offer(update)
        elif time.monotonic() - self._complained > COMPLAIN_EVERY:
            self._complained = time.monotonic()
            log.warning("messages on %s are not ours: another service on this Redis server?", TOP_SCORES_CHANNEL)


def _ask(
    engine: sa.Engine, publisher: Publisher, rules: BoardRules, seen: Mapping[BoardId, Update | None]
) -> tuple[dict[BoardId, Present], bool]:
    """Publish the boards; return them as PostgreSQL has them, and whether they are pushed to sockets."""
    found = publish_all(engine, publisher, rules, seen=seen)
    flags = in_statement(engine, feature_flags.read)
    return found, {flag.name: flag.enabled for flag in flags}[feature_flags.BROADCAST]
