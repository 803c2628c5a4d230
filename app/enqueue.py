"""Sends the ids of completed actions to the workers, many in one Celery message.

A lost message costs seconds, never a score: the sweep settles actions that no message named.
"""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from celery import Celery

from app.concurrency.batching import Batcher
from app.domain.ids import ActionId
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
        self._celery = Celery("scoreboard-web", broker=broker_url, set_as_current=False)
        self._celery.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            task_routes=queues.ROUTES,
            broker_pool_limit=1,
            broker_connection_timeout=1,
            broker_transport_options=queues.broker_options(socket_timeout=1),
            broker_use_ssl=queues.broker_tls(broker_url),
        )
        self._broker = redis.connect(broker_url, timeout=1)
        self._reachable = True
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="enqueue")
        self._batcher: Batcher[Completed, None] = Batcher("enqueue", self._gather, lanes=1, limit=queues.BATCH)

    def completed(self, action_id: ActionId, request_id: str) -> None:
        """Queue an action for settling. Never waits, never fails."""
        if not self._batcher.offer(Completed(action_id, request_id, tracing.carried())):
            log.warning("the queue's queue is full, action %s is left to the sweep", action_id)

    async def _gather(self, batch: Sequence[Completed]) -> list[None]:
        """Send a batch, then wait while the next one gathers, unless more than one batch is waiting already."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send, batch)
        if len(batch) < queues.BATCH:
            await asyncio.sleep(GATHER if len(batch) < MANY else GATHER_MANY)
        return [None] * len(batch)

    def _send(self, batch: Sequence[Completed]) -> None:
        try:
            if self._broker.llen(queues.SETTLE_QUEUE) > queues.LONGEST_SETTLE_QUEUE:
                raise OverflowError("the queue is full")
            self._celery.send_task(
                queues.SETTLE,
                args=[[it.action_id for it in batch]],
                # In headers, not arguments, so that workers of another version can ignore them.
                headers={
                    queues.REQUESTS: [it.request_id for it in batch],
                    queues.SPANS: [it.span for it in batch if it.span],
                },
                retry=False,
                ignore_result=True,
            )
        except Exception as error:  # whatever kombu or Redis raise: the sweep settles what is committed
            if self._reachable:
                log.warning("messages can't be sent, actions are left to the sweep: %r", error)
            self._reachable = False
        else:
            self._reachable = True

    def close(self) -> None:
        self._batcher.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._celery.close()
        self._broker.close()
