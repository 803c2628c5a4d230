"""Limits log lines by event and client: the rest is counted, and summed up in one line a minute."""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

LINES_A_MINUTE = 100
"""Lines of one event for one client."""

WINDOW = 60.0
"""Seconds."""

MOST_CLIENTS = 10_000
"""The most pairs of event and client that are counted; one that is evicted starts again at zero."""

Key = tuple[str, str | None]


@dataclass(slots=True)
class _Window:
    began: float = field(default_factory=time.monotonic)
    lines: int = 0


class Quota:
    """Counts lines by event and client; `tell` is called with the number of those that were not logged."""

    def __init__(self, tell: Callable[[str, str | None, int], None]) -> None:
        self._tell = tell
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._windows: OrderedDict[Key, _Window] = OrderedDict()  # the oldest first
        self._timer: threading.Timer | None = None

    def allows(self, event: str, client: str | None) -> bool:
        """Count a line; False when it is not to be logged."""
        key = event, client
        with self._lock:
            over = self._end_windows()
            window = self._windows.get(key)
            if window is None:
                window = self._windows[key] = _Window()
                if len(self._windows) > MOST_CLIENTS:
                    over.append(self._windows.popitem(last=False))
            window.lines += 1
            allowed = window.lines <= LINES_A_MINUTE
            if not allowed and self._timer is None:
                self._timer = threading.Timer(WINDOW, self._ring)
                self._timer.daemon = True
                self._timer.start()
        self._sum_up(over)
        return allowed

    def _end_windows(self) -> list[tuple[Key, _Window]]:
        over = []
        end = time.monotonic() - WINDOW
        while self._windows:
            key = next(iter(self._windows))
            if self._windows[key].began > end:
                break
            over.append((key, self._windows.pop(key)))
        return over

    def _sum_up(self, over: list[tuple[Key, _Window]]) -> None:
        for (event, client), window in over:
            if (left_out := window.lines - LINES_A_MINUTE) > 0:
                self._tell(event, client, left_out)

    def _ring(self) -> None:
        # The summary must come also when nobody is refused any more. Windows that began after the timer are told by
        # the next line, or by the timer of the next one who has too many.
        with self._lock:
            self._timer = None
            over = self._end_windows()
            if any(window.lines > LINES_A_MINUTE for window in self._windows.values()):
                self._timer = threading.Timer(WINDOW, self._ring)
                self._timer.daemon = True
                self._timer.start()
        self._sum_up(over)
