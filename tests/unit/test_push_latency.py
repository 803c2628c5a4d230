"""PushLatency: from a completion to the first socket that is handed a board which shows it."""

import time
from datetime import UTC, datetime

import pytest

from app.domain import messages
from app.domain.ids import DEFAULT_BOARD, UserId
from app.domain.messages import Row, Update
from app.live.push_latency import PushLatency
from telemetry import metrics


def board(version: int, score: int) -> Update:
    return messages.update(
        DEFAULT_BOARD, ("e", version), [Row(UserId("a"), "alice", score, 1)], datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_push_latency_is_that_of_the_first_completion_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    timed = PushLatency()
    timed.sent(board(1, 0), first=True)
    before = metrics.push_latency._sum.get()
    timed.completed(UserId("a"))
    now += 2
    timed.completed(UserId("a"))
    now += 1
    timed.sent(board(2, 20), first=False)
    assert metrics.push_latency._sum.get() - before == pytest.approx(3)
