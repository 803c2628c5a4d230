"""The edge of the ten, where rises and falls that don't see each other would leave a board wrong for good."""

import pytest

from tests.support.corrections import change_at_once
from tests.support.service import Stores

ROUNDS = 100
"""Rounds of three settles, two reversals, a release, an adjustment, a suspension, a reinstatement and a rebuild."""


@pytest.mark.timeout(300)
def test_rises_beside_reversals_suspensions_rebuilds_end_right(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = stores.value(deadlocks)
    change_at_once(stores, rounds=ROUNDS)
    assert "deadlock" not in caplog.text
    assert stores.value(deadlocks) == before
