"""Networks whose addresses have no limits: those of the settings, and those that operators trust at run time.

Each web process polls them, as it does service keys. While the database is away those that it knows go on, each until
it expires.
"""

import asyncio
import logging
import time
from collections.abc import Callable

import sqlalchemy as sa

from app.concurrency.threads import Threads
from app.domain.errors import ScoreboardError
from app.domain.networks import Network
from db import networks
from db.transaction import in_statement

log = logging.getLogger("scoreboard.networks")

POLL_EVERY = 2.0


class TrustedNetworks:
    """Reads what operators trust at run time; `on_change(networks)` is called with all that is in force by then."""

    def __init__(self, engine: sa.Engine, threads: Threads, on_change: Callable[[tuple[Network, ...]], None]) -> None:
        self._engine = engine
        self._threads = threads
        self._on_change = on_change
        self._until: dict[Network, float] = {}
        self._told: tuple[Network, ...] = ()

    async def poll_for_ever(self) -> None:
        """Poll the networks, and end those that expire, until cancelled."""
        while True:
            try:
                await self.refresh()
            except ScoreboardError as error:
                log.debug("trusted networks can't be polled: %s", error)
            except Exception:
                log.exception("polling trusted networks failed")
            self._tell()
            await asyncio.sleep(POLL_EVERY)

    async def refresh(self) -> None:
        """Read the networks now: after a change here nobody waits for the next poll."""
        found = await self._threads.run(in_statement, self._engine, networks.live)
        self._until = networks.until(found, time.monotonic())
        self._tell()

    def _tell(self) -> None:
        in_force = networks.in_force(self._until, time.monotonic())
        if in_force != self._told:
            self._told = in_force
            self._on_change(in_force)
