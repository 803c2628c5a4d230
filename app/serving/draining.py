"""How a web process shuts down, and whether it was asked to.

1. SIGTERM, or SIGINT, sets `Draining` and goes on to uvicorn; a parent of several processes sends it to each. From now
   on `/readyz` answers 503 (`app.routes.health`), and a handshake of a WebSocket that is under way is refused with 503.
2. uvicorn stops listening: new connections are refused by the operating system.
3. Each connection is told at once. One with a request closes after its answer; an idle one takes one more request
   within `LAST_CALL` (`app.serving.http_protocol`); a stream ends with an event that says 1012 (`event_stream` beside
   it), and a WebSocket is closed with that code (`websocket_protocol`).
4. uvicorn waits until the last of them is gone, at most for `GRACE`, then cancels the requests that are left.
5. The lifespan ends (`app.main`): background tasks are cancelled, then stores and threads closed. The exit code is 0.

A worker has a sequence of its own: `workers.shutdown`.
"""

import signal
import threading
from types import FrameType

LAST_CALL = 1.0
"""Seconds for which an idle connection may still send one more request: a proxy may be sending it just now."""

GRACE = 20
"""Seconds that requests in flight are given. Many platforms kill a process 30 s after SIGTERM."""


class Draining:
    """Becomes true with SIGTERM or SIGINT; whoever handled the signal before still does."""

    def __init__(self) -> None:
        self._asked = False

    def __bool__(self) -> bool:
        return self._asked

    def watch(self) -> None:
        """Listen for the signals. Called once the server has set its own handlers."""
        if threading.current_thread() is not threading.main_thread():
            return  # a server in a thread gets no signals
        for number in (signal.SIGTERM, signal.SIGINT):
            self._listen(number)

    def _listen(self, number: signal.Signals) -> None:
        before = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None) -> None:
            self._asked = True
            if callable(before):
                before(received, frame)

        signal.signal(number, handle)
