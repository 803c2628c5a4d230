"""Group commit, one level up: what arrives while a batch runs goes into the next one."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.domain.errors import Overloaded, ScoreboardError

log = logging.getLogger("scoreboard.batching")

LIMIT = 1000
"""Items in one batch: large enough to drain a burst in one or two batches."""

_STOPPING = "The process is stopping."

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    answer: "asyncio.Future[Result]"
    since: float


class Batcher(Generic[Item, Result]):
    """Runs many callers' items together, and gives each caller its own result or its own error.

    There is no timer: an idle batcher runs a single item at once, a busy one grows its batches.

    Args:
        run: takes a list of items and gives a list of results in the same order, where an exception stands for that
            item's failure. When it raises a ScoreboardError that is the answer to all of its items; when it raises
            anything else its items are run one by one, so that the culprit alone fails.
        lanes: batches that run at the same time.
        limit: the largest number of items in one batch.
        depth: the largest number of waiting items; one more is answered with Overloaded at once.
        patience: seconds after which an item that got no answer is answered with Overloaded.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | BaseException]]],
        *,
        lanes: int = 2,
        limit: int = LIMIT,
        depth: int = 5000,
        patience: float = 2.7,
    ) -> None:
        self.name = name
        self._run = run
        self._limit = limit
        self._depth = depth
        self._patience = patience
        self._free = lanes
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._running: dict[asyncio.Task[Sequence[Result | BaseException]], list[_Waiting[Item, Result]]] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False
        self.unanswered = 0
        """Items that wait or run; a running count, because it is read for every request."""

    async def submit(self, item: Item) -> Result:
        """Return the result of `item`.

        Raises:
            Overloaded: when too many wait already, no answer came in time, or the process is stopping; what becomes
                of an item that was already running is then open.
            Exception: whatever `run` gave or raised for this item.
        """
        return await self._put(item)

    def offer(self, item: Item) -> bool:
        """Queue `item` and return at once; False when the queue is full."""
        try:
            self._put(item)
        except Overloaded:
            return False
        return True

    def _put(self, item: Item) -> "asyncio.Future[Result]":
        if self._closed:
            raise Overloaded(_STOPPING)
        if len(self._queue) >= self._depth:
            raise Overloaded(f"Too many requests are waiting ({self.name}).")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        self._queue.append(_Waiting(item, answer, loop.time()))
        self.unanswered += 1
        if self._free:
            self._free -= 1
            # Not at once: the requests that are ready in this turn of the loop go along.
            loop.call_soon(self._start)
        if self._watch is None:
            self._watch = loop.call_later(self._patience, self._expire)
        return answer

    def close(self) -> None:
        """Let running batches end, answer waiting items with Overloaded, and accept no more."""
        self._closed = True
        while self._queue:
            _answer(self._queue.popleft(), Overloaded(_STOPPING))
            self.unanswered -= 1

    def _start(self) -> None:
        batch: list[_Waiting[Item, Result]] = []
        while self._queue and len(batch) < self._limit:
            waiting = self._queue.popleft()
            if not waiting.answer.done():  # else its caller has gone, or it has timed out
                batch.append(waiting)
            else:
                self.unanswered -= 1
        if not batch:
            self._free += 1
            return
        work = asyncio.get_running_loop().create_task(self._answers([it.item for it in batch]))
        self._running[work] = batch
        work.add_done_callback(self._finish)

    async def _answers(self, items: Sequence[Item]) -> Sequence[Result | BaseException]:
        """Run items together or, when that raises an unexpected error, one by one."""
        try:
            results = await self._run(items)
            if len(results) != len(items):
                raise RuntimeError(f"{self.name}: {len(results)} results for {len(items)} items")
            return results
        except ScoreboardError as error:
            return [error] * len(items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            log.warning(
                "%s: a batch of %d failed (%s), its items are run one by one",
                self.name,
                len(items),
                type(error).__name__,
            )
            return [answer for item in items for answer in await self._answers([item])]

    def _finish(self, work: "asyncio.Task[Sequence[Result | BaseException]]") -> None:
        batch = self._running.pop(work)
        self.unanswered -= len(batch)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._start)
        else:
            self._free += 1
        if work.cancelled():
            answers: Sequence[Result | BaseException] = [Overloaded(_STOPPING)] * len(batch)
        else:
            answers = work.result()
        for waiting, answer in zip(batch, answers, strict=True):
            _answer(waiting, answer)

    def _expire(self) -> None:
        """Answer the items that have timed out, and schedule the next look for when the next one may have."""
        loop = asyncio.get_running_loop()
        self._watch = None
        latest = loop.time() - self._patience
        oldest: float | None = None
        for waiting in (*self._queue, *(it for batch in self._running.values() for it in batch)):
            if waiting.answer.done():
                continue
            if waiting.since <= latest:
                _answer(waiting, Overloaded(f"No answer in time ({self.name})."))
            else:
                oldest = waiting.since if oldest is None else min(oldest, waiting.since)
        if oldest is not None:
            self._watch = loop.call_later(max(0.05, oldest - latest), self._expire)


def _answer(waiting: _Waiting[Item, Result], answer: Result | BaseException) -> None:
    if waiting.answer.done():
        return
    if not isinstance(answer, BaseException):
        waiting.answer.set_result(answer)
        return
    # A future can't hold a StopIteration.
    stopped = isinstance(answer, StopIteration)
    waiting.answer.set_exception(RuntimeError(f"StopIteration: {answer}") if stopped else answer)
    # Mark it as retrieved, or asyncio logs "exception was never retrieved": offered items have no caller.
    waiting.answer.exception()
