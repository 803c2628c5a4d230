"""How long to wait before a process that ended is started again."""

FIRST, LONGEST = 0.5, 15.0
"""Seconds."""

STEADY = 30.0
"""Seconds that a process has to live for its next end to count as the first."""


class Backoff:
    """Waits 0.5 s after the first end, and twice as long after each further one, up to 15 s."""

    def __init__(self) -> None:
        self._next = FIRST

    def after(self, lived: float) -> float:
        """Return the seconds to wait, for a process that lived for `lived` seconds."""
        delay = FIRST if lived > STEADY else self._next
        self._next = min(delay * 2, LONGEST)
        return delay
