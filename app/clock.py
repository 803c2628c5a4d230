"""Watches this host's clock for as long as a web process runs."""

import asyncio
import logging

import sqlalchemy as sa

from app.concurrency.threads import Threads
from app.domain.errors import ScoreboardError
from db import clock

log = logging.getLogger("scoreboard.clock")


async def watch_for_ever(engine: sa.Engine, threads: Threads) -> None:
    """Compare the clock with PostgreSQL's once a minute."""
    while True:
        try:
            await threads.run(clock.check, engine)
        except ScoreboardError as error:
            log.debug("the clock can't be checked: %s", error)
        except Exception:
            log.exception("checking the clock failed")
        await asyncio.sleep(clock.CHECK_EVERY)
