"""Writes log lines in a thread of its own, so that logging never waits for the reader of the log."""

import atexit
import contextlib
import os
import queue
import select
import threading
import time
from collections.abc import Callable

STANDARD_ERROR = 2

MOST_WAITING = 4 * 1024 * 1024
"""Bytes that wait to be written; a line beyond them is dropped, and counted."""

GATHERED_FOR = 0.002
"""Seconds between two writes, in which a busy process's lines gather; a line that comes alone is written at once."""

FLUSHED_WITHIN = 1.0
"""Seconds that the end of a process waits for its last lines."""


class Writer:
    """Takes lines from any thread, and from signal handlers, in any process of a fork.

    Args:
        gap: the line that says, when lines are written again, how many were dropped.
    """

    def __init__(self, gap: Callable[[int], bytes]) -> None:
        self._gap = gap
        self.on_drop: Callable[[], None] = lambda: None
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # the parent writes what waits, and the thread is not copied
        atexit.register(self.flush)

    def _begin(self) -> None:
        self._queue: queue.SimpleQueue[bytes | threading.Event] = queue.SimpleQueue()
        self._lock = threading.RLock()  # reentrant, since a signal handler may log while its thread holds the lock
        self._waiting = 0
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def put(self, line: bytes) -> None:
        """Queue a line for writing, or drop it when the queue is full."""
        with self._lock:
            fits = self._waiting + len(line) <= MOST_WAITING
            if fits:
                self._waiting += len(line)
            else:
                self._dropped += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_for_ever, name="log", daemon=True)
                self._thread.start()
        if fits:
            self._queue.put(line)
        else:
            self.on_drop()

    def flush(self, within: float = FLUSHED_WITHIN) -> None:
        """Wait, for at most `within` seconds, until what was put is written."""
        if self._thread is not None and self._thread.is_alive():
            written = threading.Event()
            self._queue.put(written)
            written.wait(within)

    def _write_for_ever(self) -> None:
        last = 0.0
        while True:
            batch = [self._queue.get()]
            time.sleep(max(0.0, last + GATHERED_FOR - time.monotonic()))
            last = time.monotonic()
            with contextlib.suppress(queue.Empty):
                while True:
                    batch.append(self._queue.get_nowait())
            data = b"".join(it for it in batch if isinstance(it, bytes))
            _write(data)
            with self._lock:
                self._waiting -= len(data)
                dropped, self._dropped = self._dropped, 0
            if dropped:
                _write(self._gap(dropped))
            for it in batch:
                if isinstance(it, threading.Event):
                    it.set()


def _write(data: bytes) -> None:
    """Write all of it, however long that takes; give up when the reader has gone."""
    with contextlib.suppress(OSError):
        while data:
            try:
                data = data[os.write(STANDARD_ERROR, data) :]
            except BlockingIOError:  # another process that shares it has made it non-blocking
                select.select([], [STANDARD_ERROR], [])
