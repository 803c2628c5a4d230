"""Whether this process was asked to stop, while it still serves what is open."""

import signal
import threading
from types import FrameType


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
