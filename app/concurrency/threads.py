"""Blocking calls, a bounded number at once in threads of their own, a bounded number waiting."""

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
        count: calls at once.
        depth: calls that run or wait at most; one more is answered with Overloaded at once.
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
        # Given back when the thread is done, not when its caller has gone: it is the threads that are few.
        answer.add_done_callback(self._give_back)
        try:
            await asyncio.wait([answer], timeout=self._patience)
        finally:
            # A call that has begun goes on. One that hasn't is for nobody any more.
            work.cancel()
        if not answer.done():
            raise Overloaded(f"No answer in time ({self._name}).")
        if answer.cancelled():
            raise Overloaded("The process is stopping.")
        return answer.result()

    def close(self) -> None:
        """Let running calls end, and take no more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _give_back(self, answer: "asyncio.Future[T]") -> None:
        self._taken -= 1
        if not answer.cancelled():
            answer.exception()  # looked at, so that one whose caller has gone is not reported as forgotten
