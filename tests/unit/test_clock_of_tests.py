"""The clock that the tests' bounds are measured by."""

import time

from tests.support.clock import _Clock


def test_clock_stands_still_while_its_beat_is_held_up() -> None:
    clock = _Clock()
    began, shown = time.monotonic(), clock.now()
    with clock._lock:
        time.sleep(0.5)  # as long as a machine may hold up everybody
    assert clock.now() - shown < 0.25 < time.monotonic() - began


def test_clock_goes_on_and_never_faster_than_time() -> None:
    clock = _Clock()
    began, shown = time.monotonic(), clock.now()
    while clock.now() < shown + 0.1:
        time.sleep(0.01)
    assert clock.now() - shown <= time.monotonic() - began
