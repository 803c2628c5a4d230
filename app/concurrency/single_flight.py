"""Single flight: concurrent callers share one call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Makes a call for the first caller; those who come while it runs wait for its result."""

    def __init__(self) -> None:
        self._flight: asyncio.Task[T] | None = None

    @property
    def running(self) -> bool:
        """Whether a call is under way."""
        return self._flight is not None and not self._flight.done()

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the call that is running, or of a new one."""
        if not self.running:

            async def fly() -> T:
                return await call()

            self._flight = asyncio.create_task(fly())
        assert self._flight is not None
        return await asyncio.shield(self._flight)


class SingleFlights(Generic[T]):
    """Single flights by key: only callers with the same key share a call."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[T]] = {}

    async def run(self, key: str, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of the call that is running under this key, or of a new one."""
        flight = self._flights.get(key)
        if flight is None:

            async def fly() -> T:
                return await call()

            flight = self._flights[key] = asyncio.create_task(fly())
            flight.add_done_callback(lambda _: self._flights.pop(key))
        return await asyncio.shield(flight)
