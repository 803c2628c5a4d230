"""Runs players' reads of their own data in separate threads, with a limit for each player."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from app.concurrency.threads import Threads
from app.domain.errors import Overloaded
from app.domain.ids import UserId

P = ParamSpec("P")
T = TypeVar("T")

OF_ONE_PLAYER = 1
"""Concurrent reads of one player, so that the other thread is left for other players."""


class _Turns:
    """The queue of one player's reads."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(OF_ONE_PLAYER)
        self.wanted = 0


class Reads:
    """Runs reads in threads of their own, so that nothing else, logins above all, waits behind them.

    Args:
        patience: seconds after which a read that waits for others of its player is answered with Overloaded.
    """

    def __init__(self, threads: Threads, *, patience: float = 2.7) -> None:
        self._threads = threads
        self._patience = patience
        self._players: dict[UserId, _Turns] = {}

    async def run(self, user_id: UserId, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `call(*args, **kwargs)` returns, or raise what it raises, once it is this player's turn.

        Raises:
            Overloaded: when the player's other reads, or everybody's, take too long.
        """
        turns = self._players.setdefault(user_id, _Turns())
        turns.wanted += 1
        try:
            try:
                async with asyncio.timeout(self._patience):
                    await turns.free.acquire()
            except TimeoutError:
                raise Overloaded("Too many of your own requests are waiting.") from None
            try:
                return await self._threads.run(call, *args, **kwargs)
            finally:
                turns.free.release()
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                del self._players[user_id]

    def close(self) -> None:
        """Let running reads end, and accept no more."""
        self._threads.close()
