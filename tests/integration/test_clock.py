"""A host's clock that is off is warned of. That none of them decides anything is in tests/faults/test_clocks.py."""

import logging
import sys
import time

import pytest

from config import queues
from db import clock
from tests.support.service import Stores


@pytest.mark.parametrize("ahead", [-65.0, -0.4, 0.4, 65.0])
def test_check_warns_of_a_clock_that_is_off_by_over_a_second(
    stores: Stores, ahead: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + ahead)
    with caplog.at_level(logging.WARNING, logger="scoreboard.clock"):
        assert clock.check(stores.engine) == pytest.approx(ahead, abs=0.3)
    assert len(caplog.records) == (abs(ahead) > 1)


SCHEDULE = """
from workers.app import app
from workers.schedule import BoundedScheduler
print(sorted(entry.task for entry in BoundedScheduler(app).schedule.values()))
"""


def test_beat_sends_sweep_and_audit_and_nothing_of_celerys_own(stores: Stores) -> None:
    """Its nightly clean-up of results that there aren't would expire by the clocks of two hosts."""
    done = stores.run(sys.executable, "-c", SCHEDULE)
    assert (done.returncode, done.stdout) == (0, f"{sorted(queues.LONGEST_SWEEP_QUEUE)}\n"), done.stderr
