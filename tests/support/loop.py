"""Scenarios on an event loop of their own, after which nothing may be left over."""

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from tests.support.clock import now

T = TypeVar("T")


def play(scenario: Callable[[], Awaitable[T]]) -> T:
    """Run a scenario; no callback may fail in it, and no future's error may go unlooked at."""
    complaints: list[str] = []

    async def bounded() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(repr(context)))
        async with asyncio.timeout(20):
            return await scenario()

    result = asyncio.run(bounded())
    gc.collect()
    assert complaints == []
    return result


async def until(condition: Callable[[], Any], *, within: float = 10.0) -> None:
    """Give the loop to others until the condition holds."""
    ends = now() + within
    while not condition():  # threads make it true, which no asyncio.Event hears of
        if now() > ends:
            raise TimeoutError(f"it did not come about within {within} s")
        await asyncio.sleep(0.001)


async def turns(count: int = 3) -> None:
    """Let the loop turn a few times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def outcome(awaitable: Awaitable[T]) -> T | BaseException:
    """Return its result or its error."""
    results: Sequence[T | BaseException] = await asyncio.gather(awaitable, return_exceptions=True)
    return results[0]


class Gate:
    """Holds threads until the test lets them pass, one by one or all."""

    def __init__(self, *, open: bool = False) -> None:
        self._permits = threading.Semaphore(0)
        self._open = threading.Event()
        if open:
            self.open()

    def __call__(self) -> None:
        if not self._open.is_set():
            assert self._permits.acquire(timeout=20), "the test never opened the gate"

    def let_one_pass(self) -> None:
        self._permits.release()

    def open(self) -> None:
        self._open.set()
        self._permits.release(10_000)
