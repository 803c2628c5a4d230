"""Pushes players' own numbers to their sockets: rank, points on the board and total, read together.

Below the ten a rank changes without a new version of the board, so no message announces it. One query reads the
numbers of all players who listen to this process.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from app.concurrency.threads import Threads
from app.domain import messages
from app.domain.errors import ScoreboardError
from app.domain.ids import UserId
from app.domain.signing import Signer
from app.live.board import LiveBoard
from db import standings
from db.standings import Own
from db.transaction import in_statement

log = logging.getLogger("scoreboard.own_scores")

EVERY = 1.0
"""The shortest time between two queries, in seconds."""

REST = 4
"""The pause after a round, as a multiple of its duration, so that a large board is queried less often."""

IN_A_ROW = 100
"""Players who are sent their numbers before the event loop gets a turn."""


@dataclass(eq=False, slots=True)
class _Listener:
    tell: Callable[[str], None]
    told: Own | None = None


class OwnScores:
    """Sends listening players their own numbers, at first and whenever they have changed."""

    def __init__(self, board: LiveBoard, engine: sa.Engine, signer: Signer, threads: Threads) -> None:
        self._board = board
        self._engine = engine
        self._signer = signer
        self._threads = threads
        self._listeners: dict[UserId, set[_Listener]] = {}

    @contextlib.contextmanager
    def listening(self, user_id: UserId, tell: Callable[[str], None]) -> Iterator[None]:
        """Call `tell` in the event loop with each message for this player."""
        listener = _Listener(tell)
        mine = self._listeners.setdefault(user_id, set())
        mine.add(listener)
        try:
            yield
        finally:
            mine.discard(listener)
            if not mine:
                del self._listeners[user_id]

    async def run(self) -> None:
        """Query and send until cancelled."""
        while True:
            began = time.monotonic()
            try:
                await self._round()
            except ScoreboardError as error:
                log.debug("players' own numbers can't be read: %s", error)
            except Exception:
                log.exception("telling players their own numbers failed")
            await asyncio.sleep(max(EVERY, REST * (time.monotonic() - began)))

    async def _round(self) -> None:
        wanted = [user_id for user_id in self._listeners if self._due(user_id)]
        if not wanted:
            return
        board = self._board.board_id
        found = await self._threads.run(in_statement, self._engine, lambda conn: standings.own(conn, board, wanted))
        for number, own in enumerate(found, start=1):
            self._tell(own)
            if number % IN_A_ROW == 0:
                await asyncio.sleep(0)

    def _due(self, user_id: UserId) -> list[_Listener]:
        """Return a player's listeners; while broadcasting is off, only those who were sent nothing yet."""
        return [it for it in self._listeners.get(user_id, ()) if self._board.broadcasting or it.told is None]

    def _tell(self, own: Own) -> None:
        untold = [it for it in self._due(own.user_id) if it.told != own]
        if not untold:
            return
        text = messages.own_scores(
            self._board.board_id, own.user_id, own.total_score, own.score, own.rank, datetime.now(UTC), self._signer
        )
        for listener in untold:
            listener.told = own
            try:
                listener.tell(text)
            except Exception:  # one socket's trouble is not the others'
                log.exception("a player was not told")
