"""Pushing the board to one socket."""

import asyncio
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect

from app.domain import messages
from app.live.board import LiveBoard
from app.live.close_codes import GONE, CloseCode, Ending
from app.live.push_latency import PushLatency
from telemetry import metrics

HEARTBEAT_EVERY = 25.0
SEND_WITHIN = 10.0
"""Seconds that a peer may take to read one message."""


class Pusher:
    """Sends each new board to one socket, at most one in an interval, and heartbeats.

    There may be thousands of these: most boards are sent from the callback that announces them, without waking the
    task; and one timer is set for each heartbeat, not for each board.
    """

    def __init__(
        self,
        websocket: WebSocket,
        send_ready: Callable[[str], bool],
        board: LiveBoard,
        interval: float,
        push_latency: PushLatency,
    ) -> None:
        self._websocket = websocket
        self._send_ready = send_ready
        self._board = board
        self._interval = interval
        self._push_latency = push_latency
        self._loop = asyncio.get_running_loop()
        self._seen: messages.Update | None = None
        self._next_push = 0.0
        self._idle: asyncio.Future[None] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._heartbeat_due = False
        self._own_scores: str | None = None

    async def run(self) -> Ending:
        """Push until that fails, and return how the socket is to end."""
        heartbeat = self._loop.call_later(HEARTBEAT_EVERY, self._ring)
        try:
            with self._board.listening(self._changed):
                while True:
                    if self._heartbeat_due:
                        self._heartbeat_due = False
                        heartbeat = self._loop.call_later(HEARTBEAT_EVERY, self._ring)
                        if self._seen is not None and (ending := await self._send(self._board.heartbeat(self._seen))):
                            return ending
                    update = self._board.newer_than(self._seen)
                    if update is not None and self._next_push <= self._loop.time():
                        if ending := await self._send(update.text):
                            return ending
                        self._sent(update)
                    elif self._own_scores is not None and self._seen is not None:
                        text, self._own_scores = self._own_scores, None
                        if ending := await self._send(text):
                            return ending
                    else:
                        self._idle = self._loop.create_future()
                        self._changed()
                        await self._idle
        finally:
            heartbeat.cancel()
            if self._later is not None:
                self._later.cancel()

    def tell(self, own_scores: str) -> None:
        """Send the player's own numbers, after the first board; a slow peer gets the newest."""
        self._own_scores = own_scores
        self._wake()

    def _changed(self) -> None:
        """Send the newest board once the interval allows; leave it to the task if sending has to wait."""
        if self._idle is None or self._idle.done():
            return  # the task is sending, and looks for a newer board afterwards
        update = self._board.newer_than(self._seen)
        if update is None:
            return
        early = self._next_push - self._loop.time()
        if early > 0:
            self._later = self._later or self._loop.call_later(early, self._due)  # the newest of then is sent
        elif self._send_ready(update.text):
            metrics.ws_messages.inc()
            self._sent(update)
        else:
            self._wake()

    def _due(self) -> None:
        self._later = None
        self._changed()

    def _sent(self, update: messages.Update) -> None:
        self._push_latency.sent(update, first=self._seen is None)
        self._seen, self._next_push = update, self._loop.time() + self._interval
        if self._own_scores is not None:
            self._wake()

    def _ring(self) -> None:
        self._heartbeat_due = True
        self._wake()

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _send(self, text: str) -> Ending | None:
        """Hand a message over, and return how the socket is to end when that failed."""
        if not self._send_ready(text):
            try:
                async with asyncio.timeout(SEND_WITHIN):
                    await self._websocket.send({"type": "websocket.send", "text": text})
            except TimeoutError:
                return Ending(CloseCode.SLOW)
            except (WebSocketDisconnect, RuntimeError):  # it is gone; the listener is told with which code
                return Ending(GONE, closed=True)
        metrics.ws_messages.inc()
        return None
