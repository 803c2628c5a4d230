"""The live boards of a process, and the one subscription that feeds them all."""

import asyncio
import logging
import math
import time
from collections.abc import Iterable

from broadcaster import Broadcast

from app.domain import messages
from app.domain.ids import BoardId
from app.domain.signing import Signer
from app.live.board import LiveBoard
from app.live.relay import RESYNC, SupervisedRedis
from db.redis import TOP_SCORES_CHANNEL

log = logging.getLogger("scoreboard.live")

COMPLAIN_EVERY = 60.0
"""Seconds between two log lines about messages that are not ours."""


class LiveBoards(dict[BoardId, LiveBoard]):
    """The live boards by their ids. A message is for the board that it names."""

    def __init__(self, boards: Iterable[LiveBoard], relay: SupervisedRedis, signer: Signer) -> None:
        super().__init__({board.board_id: board for board in boards})
        self._relayed = Broadcast(backend=relay)
        self._signer = signer
        self._complained = -math.inf

    async def run(self) -> None:
        """Feed the boards until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="live-follow")
            for board in self.values():
                tasks.create_task(board.run(), name="live-check")

    def broadcast(self, enabled: bool) -> None:
        """Switch pushing to open sockets off or on, for every board."""
        for board in self.values():
            board.broadcast(enabled)

    async def _follow(self) -> None:
        while True:
            try:
                async with self._relayed, self._relayed.subscribe(TOP_SCORES_CHANNEL) as subscriber:
                    while True:
                        await self._hear((await subscriber.get()).message)
            except Exception:
                log.exception("the relay's listener died, it is started again")
            await asyncio.sleep(1)

    async def _hear(self, text: str) -> None:
        if text == RESYNC:
            await asyncio.gather(*(board.look() for board in self.values()))
        elif (update := messages.read_update(text, self._signer)) is not None:
            if (board := self.get(update.board)) is not None:
                board.offer(update)
        elif time.monotonic() - self._complained > COMPLAIN_EVERY:
            self._complained = time.monotonic()
            log.warning("messages on %s are not ours: another service on this Redis server?", TOP_SCORES_CHANNEL)
