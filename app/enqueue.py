"""Sends the ids of completed actions to the workers, many in one Celery message.

A lost message costs seconds, never a score: the sweep settles actions that no message named.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from app.concurrency.batching import Batcher
from app.domain.ids import ActionId
from app.settle_messages import SettleMessages
from config import queues
from db import redis
from telemetry import tracing

log = logging.getLogger("scoreboard.enqueue")

GATHER = 0.025
"""The least time between two messages, in seconds: the first is sent at once, the next carries all that came since."""

MANY, GATHER_MANY = 10, 0.1
"""After a message with `MANY` ids the next waits for `GATHER_MANY` seconds: under load that saves most messages."""


class Completed(NamedTuple):
    """A completed action, the id of the request that completed it, and its span if it is traced."""

    action_id: ActionId
    request_id: str
    span: str | None


class Enqueuer:
    """Sends the ids of completed actions to the settle queue, off the path of the request."""

    def __init__(self, broker_url: str) -> None:
        self._messages = SettleMessages()
        self._broker = redis.connect_on_loop(broker_url, timeout=1)
        self._waiting = 0
        """Messages in the queue, as Redis told with the last one that was sent there."""
        self._reachable = True
        self._batcher: Batcher[Completed, None] = Batcher("enqueue", self._gather, lanes=1, limit=queues.BATCH)

    def completed(self, action_id: ActionId, request_id: str) -> None:
        """Queue an action for settling. Never waits, never fails."""
        if not self._batcher.offer(Completed(action_id, request_id, tracing.carried())):
            log.warning("the queue's queue is full, action %s is left to the sweep", action_id)

    async def _gather(self, batch: Sequence[Completed]) -> list[None]:
        """Send a batch, then wait while the next one gathers, unless more than one batch is waiting already."""
        await self._send(batch)
        if len(batch) < queues.BATCH:
            await asyncio.sleep(GATHER if len(batch) < MANY else GATHER_MANY)
        return [None] * len(batch)

    async def _send(self, batch: Sequence[Completed]) -> None:
        try:
            if self._waiting > queues.LONGEST_SETTLE_QUEUE:
                self._waiting = await self._broker.llen(queues.SETTLE_QUEUE)
            if self._waiting > queues.LONGEST_SETTLE_QUEUE:
                raise OverflowError("the queue is full")
            message = self._messages.message(
                [it.action_id for it in batch],
                [it.request_id for it in batch],
                [it.span for it in batch if it.span],
            )
            self._waiting = await self._broker.lpush(queues.SETTLE_QUEUE, message)
        except Exception as error:  # whatever Celery or Redis raise: the sweep settles what is committed
            if self._reachable:
                log.warning("messages can't be sent, actions are left to the sweep: %r", error)
            self._reachable = False
        else:
            self._reachable = True

    async def close(self) -> None:
        self._batcher.close()
        self._messages.close()
        await self._broker.aclose()
