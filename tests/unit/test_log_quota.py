"""One client can't fill the log: so many lines of an event a minute, then a sum; others are logged as ever."""

import pytest

from telemetry import log_quota
from telemetry.log_quota import Quota
from tests.support.service import eventually

Told = list[tuple[str, str | None, int]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def quota(told: Told, monkeypatch: pytest.MonkeyPatch) -> Quota:
    monkeypatch.setattr(log_quota, "LINES_A_MINUTE", 3)
    return Quota(lambda event, client, lines: told.append((event, client, lines)))


def test_quota_is_for_each_event_and_client(quota: Quota) -> None:
    assert [quota.allows("a", "one") for _ in range(5)] == [True, True, True, False, False]
    assert quota.allows("a", "two")
    assert quota.allows("b", "one")
    assert quota.allows("a", None)


def test_quota_tells_the_sum_when_the_minute_is_over(quota: Quota, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_quota, "WINDOW", 0.2)
    for _ in range(5):
        quota.allows("a", "one")
    quota.allows("a", "two")
    eventually(lambda: told, what="the sum")
    assert told == [("a", "one", 2)]
    assert quota.allows("a", "one")


def test_quota_remembers_a_bounded_number_of_clients(quota: Quota, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_quota, "MOST_CLIENTS", 10)
    for _ in range(4):
        quota.allows("a", "first")
    for number in range(100):
        quota.allows("a", str(number))
    assert len(quota._windows) == 10
    assert told == [("a", "first", 1)]
