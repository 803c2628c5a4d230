"""Pushes players' own numbers to their sockets: rank, points on the board and total, read together.

Below the ten a rank changes without a new version of the board, so no message announces it. One query for each board
reads the numbers of all players who listen to this process.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from app.concurrency.threads import Threads
from app.domain import messages
from app.domain.errors import ScoreboardError
from app.domain.ids import BoardId, UserId
from app.domain.periods import Period
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
class Listener:
    """Who is told a player's numbers on a board, and what it was told last: of which period, and the numbers."""

    tell: Callable[[str], None]
    told: tuple[BoardId, Own] | None = None


class OwnScores:
    """Sends listening players their own numbers on the boards that they follow, at first and whenever they change."""

    def __init__(self, engine: sa.Engine, signer: Signer, threads: Threads) -> None:
        self._engine = engine
        self._signer = signer
        self._threads = threads
        self._listeners: dict[LiveBoard, dict[UserId, set[Listener]]] = {}

    def listen(self, board: LiveBoard, user_id: UserId, tell: Callable[[str], None]) -> Listener:
        """Call `tell` in the event loop with each message for this player about a board."""
        listener = Listener(tell)
        self._listeners.setdefault(board, {}).setdefault(user_id, set()).add(listener)
        return listener

    def forget(self, board: LiveBoard, user_id: UserId, listener: Listener) -> None:
        """Take a listener off the list."""
        players = self._listeners[board]
        players[user_id].discard(listener)
        if not players[user_id]:
            del players[user_id]
        if not players:
            del self._listeners[board]

    async def run(self) -> None:
        """Query and send until cancelled."""
        while True:
            began = time.monotonic()
            try:
                for board in tuple(self._listeners):
                    await self._round(board)
            except ScoreboardError as error:
                log.debug("players' own numbers can't be read: %s", error)
            except Exception:
                log.exception("telling players their own numbers failed")
            await asyncio.sleep(max(EVERY, REST * (time.monotonic() - began)))

    async def _round(self, board: LiveBoard) -> None:
        wanted = [user_id for user_id in self._listeners.get(board, ()) if self._due(board, user_id)]
        period = board.period
        if not wanted or period is None:
            return
        found = await self._threads.run(in_statement, self._engine, lambda conn: standings.own(conn, period.id, wanted))
        for number, own in enumerate(found, start=1):
            self._tell(board, period, own)
            if number % IN_A_ROW == 0:
                await asyncio.sleep(0)

    def _due(self, board: LiveBoard, user_id: UserId) -> list[Listener]:
        """Return a player's listeners; while broadcasting is off, only those who were sent nothing yet."""
        listeners = self._listeners.get(board, {}).get(user_id, ())
        return [it for it in listeners if board.broadcasting or it.told is None]

    def _tell(self, board: LiveBoard, period: Period, own: Own) -> None:
        news = (period.id, own)
        untold = [it for it in self._due(board, own.user_id) if it.told != news]
        if not untold:
            return
        text = messages.own_scores(
            board.board_id,
            own.user_id,
            own.total_score,
            own.score,
            own.rank,
            datetime.now(UTC),
            self._signer,
            period.label,
        )
        for listener in untold:
            listener.told = news
            try:
                listener.tell(text)
            except Exception:  # one socket's trouble is not the others'
                log.exception("a player was not told")
