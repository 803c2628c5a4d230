"""Watches how far the replica is behind for as long as a web process runs."""

import asyncio
import logging

from app.concurrency.threads import Threads
from app.domain.errors import ScoreboardError
from db.replica import LOOK_EVERY, Replica

log = logging.getLogger("scoreboard.replica")


async def watch_for_ever(replica: Replica, threads: Threads) -> None:
    """Look at primary and replica, four times a second, until cancelled; at once where there is no replica."""
    while replica.engine is not None:
        try:
            await threads.run(replica.look)
        except ScoreboardError as error:
            log.debug("the primary can't be asked how far its replica is: %s", error)
        except Exception:
            log.exception("looking at the replica failed")
        await asyncio.sleep(LOOK_EVERY)
