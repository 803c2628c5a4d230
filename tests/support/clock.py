"""A clock for bounds in seconds: it stands still while the machine holds this process up.

Whatever held us up has held up the one we are waiting for as well, so that neither a busy neighbour nor a pause of the
whole machine makes anything late by this clock. Everything that a test allows some seconds for is measured by it.
"""

import threading
import time

_BEAT = 0.02
_STEP = 0.05
"""Seconds by which the clock advances at most from one beat to the next."""


class _Clock:
    def __init__(self) -> None:
        self._beat = time.monotonic()
        self._shown = self._beat
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="clock", daemon=True).start()

    def now(self) -> float:
        with self._lock:
            return self._advanced(time.monotonic())

    def _advanced(self, moment: float) -> float:
        return self._shown + min(moment - self._beat, _STEP)

    def _run(self) -> None:
        while True:
            time.sleep(_BEAT)
            with self._lock:
                moment = time.monotonic()
                self._shown, self._beat = self._advanced(moment), moment


_clock: _Clock | None = None


def now() -> float:
    """Return the clock's time in seconds; it never goes faster than time.monotonic()."""
    global _clock
    if _clock is None:
        _clock = _Clock()
    return _clock.now()
