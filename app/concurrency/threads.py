"""Runs blocking calls in a small pool of threads, with a bounded queue."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from app.domain.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A few threads for one kind of blocking call.

    Args:
        count: the number of threads.
        depth: the largest number of calls that run or wait; one more is answered with Overloaded at once.
        patience: seconds after which a caller is answered with Overloaded.
    """

    def __init__(self, name: str, count: int, *, depth: int, patience: float = 2.7) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._name = name
        self._depth = depth
        self._patience = patience
        self._taken = 0

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `call(*args, **kwargs)` returns, or raise what it raises.

        Raises:
            Overloaded: when too many calls wait already, no answer came in time, or the process is stopping.
        """
        if self._taken >= self._depth:
            raise Overloaded(f"Too many requests are waiting ({self._name}).")
        try:
            work = self._executor.submit(call, *args, **kwargs)
        except RuntimeError:
            raise Overloaded("The process is stopping.") from None
        self._taken += 1
        answer = asyncio.wrap_future(work)
        # Freed when the thread is done, not when the caller has gone: the bound is on threads.
        answer.add_done_callback(self._give_back)
        try:
            await asyncio.wait([answer], timeout=self._patience)
        finally:
            # A call that has begun can't be stopped. One that hasn't is cancelled, as its caller has gone.
            work.cancel()
        if not answer.done():
            raise Overloaded(f"No answer in time ({self._name}).")
        if answer.cancelled():
            raise Overloaded("The process is stopping.")
        return answer.result()

    def close(self) -> None:
        """Let running calls end, and accept no more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _give_back(self, answer: "asyncio.Future[T]") -> None:
        self._taken -= 1
        if not answer.cancelled():
            answer.exception()  # retrieved, or asyncio logs an error for a call whose caller has gone
