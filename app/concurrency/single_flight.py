"""Single flight: concurrent callers share one call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Makes a call for the first caller; those who come while it runs wait for its result."""

    def __init__(self) -> None:
        self._flight: asyncio.Task[T] | None = None

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the call that is running, or of a new one."""
        if self._flight is None or self._flight.done():

            async def fly() -> T:
                return await call()

            self._flight = asyncio.create_task(fly())
        return await asyncio.shield(self._flight)
