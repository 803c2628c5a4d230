"""Messages that are delivered many times, in the wrong order, or to two workers at once; there is no beat."""

import itertools
import re
from collections.abc import Iterator, Sequence

import pytest
from celery import Celery

from config import queues
from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.history import Load, board, settled
from tests.support.board import BOARDS
from tests.support.people import Player
from tests.support.service import Process, Service, eventually, free_port

_CLEARED = re.compile(r"score\.updated cleared=(\d+)")


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    """A web process that reaches no broker: only the tests send messages."""
    return service.web(CELERY_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")


@pytest.fixture(scope="module")
def workers(service: Service) -> list[Process]:
    """Two workers."""
    return [service.worker(), service.worker()]


@pytest.fixture
def load(web: Process, players: list[Player]) -> Load:
    """Completions that no worker knows of."""
    load = Load([web.url], players, pause=0.02)
    with load:
        eventually(lambda: len(load.oks()) > 100, what="completions")
    return load


@pytest.fixture
def queue(service: Service) -> Iterator[Celery]:
    """What sends messages to the workers."""
    with Celery("tests", broker=service.stores.redis_url, set_as_current=False) as queue:
        queue.conf.update(task_routes=queues.ROUTES, task_ignore_result=True)
        yield queue


def deliver(queue: Celery, action_ids: Sequence[str], *, times: int = 1) -> None:
    for _ in range(times):
        queue.send_task(queues.SETTLE, args=[list(action_ids)], ignore_result=True)


def cleared(workers: list[Process]) -> int:
    """Count the actions that the workers say to have cleared."""
    return sum(int(number) for worker in workers for number in _CLEARED.findall(worker.output()))


def boards(service: Service) -> list[object]:
    """Return the versions of all boards, and their rows."""
    versions = service.stores.rows("SELECT id, epoch, version, updated_at FROM boards ORDER BY id")
    return [versions, *(board(service.stores, board_id) for board_id in BOARDS)]


def all_cleared_once(service: Service, workers: list[Process]) -> None:
    completed = service.stores.value("SELECT count(*) FROM actions WHERE status = 'completed'")
    eventually(lambda: cleared(workers) >= completed)
    assert cleared(workers) == completed


def test_message_that_is_delivered_ten_times_has_one_effect(
    service: Service, web: Process, workers: list[Process], queue: Celery, load: Load, aftermath: Aftermath
) -> None:
    with Audience(load.players[0], [web]) as audience:
        deliver(queue, [it.action_id for it in load.history], times=10)
        aftermath.holds(load.history, audience)
    all_cleared_once(service, workers)


def test_message_that_comes_late_changes_nothing(
    service: Service, web: Process, workers: list[Process], queue: Celery, load: Load, aftermath: Aftermath
) -> None:
    ids = [it.action_id for it in load.history]
    deliver(queue, ids)
    aftermath.holds(load.history)
    before = boards(service)
    published = service.stores.redis.get("top_scores:10")
    # The key shows that the late ones have been worked on: it is written again at the end.
    service.stores.redis.delete("top_scores:10")
    deliver(queue, ids)
    eventually(lambda: service.stores.redis.get("top_scores:10"), what="the board in the key")
    assert service.stores.redis.get("top_scores:10") == published
    assert boards(service) == before
    all_cleared_once(service, workers)


def test_messages_reversed_give_same_standings_rising_versions(
    service: Service, web: Process, workers: list[Process], queue: Celery, load: Load, aftermath: Aftermath
) -> None:
    with Audience(load.players[0], [web]) as audience:
        for operation in reversed(load.history):
            deliver(queue, [operation.action_id])
        settled(service.stores)
        aftermath.holds(load.history, audience)
    # Who reached a score first does not depend on the order of settling.
    assert (
        service.stores.value("""
        SELECT count(*) FROM standings WHERE reached_at <>
            (SELECT max(end_at) FROM actions WHERE actions.user_id = standings.user_id AND settlement = 'cleared')
    """)
        == 0
    )
    all_cleared_once(service, workers)


def test_workers_with_reordered_ids_share_without_deadlock(
    service: Service, web: Process, workers: list[Process], queue: Celery, load: Load, aftermath: Aftermath
) -> None:
    ids = [it.action_id for it in load.history]
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = service.stores.value(deadlocks)
    with Audience(load.players[0], [web]) as audience:
        for first in itertools.islice(itertools.count(0, 10), 10):
            deliver(queue, ids[first:] + ids[:first])
            deliver(queue, list(reversed(ids)))
        settled(service.stores)
        aftermath.holds(load.history, audience)
    all_cleared_once(service, workers)
    assert service.stores.value(deadlocks) == before
