"""How long it takes from a completion to the sockets, as this process sees it."""

import time

from cachetools import TTLCache

from app.domain.ids import BoardId, UserId
from app.domain.messages import Update
from telemetry import metrics

REMEMBERED = 10_000

SHOWN_WITHIN = 30.0
"""Seconds after which a completion that has changed no board is no longer waited for."""


class PushLatency:
    """Measures the time from a completion's answer to the first open socket that is handed a board which shows it.

    A completion counts when its player's row on the board has changed; one that changes nothing on the board, or was
    answered by another process, is not measured, nor is the board that a socket is shown when it opens.
    """

    def __init__(self) -> None:
        self._completed: TTLCache[UserId, float] = TTLCache(REMEMBERED, SHOWN_WITHIN)
        self._sent: dict[BoardId, Update] = {}
        self._scores: dict[BoardId, dict[UserId, int]] = {}

    def completed(self, user_id: UserId) -> None:
        """Note that a completion of this player was committed just now."""
        self._completed.setdefault(user_id, time.perf_counter())

    def sent(self, update: Update, *, first: bool) -> None:
        """Note that a socket was handed an update, and whether it is the first one that it was handed."""
        board = update.board
        if update is self._sent.get(board):
            return
        self._sent[board] = update
        before = self._scores.get(board, {})
        scores = self._scores[board] = {row.userId: row.score for row in update.rows()}
        now = time.perf_counter()
        for user_id, score in scores.items():
            if before.get(user_id) != score and (since := self._completed.pop(user_id, None)) is not None and not first:
                metrics.push_latency.observe(now - since)
