"""SIGTERM, as every deployment sends it: what has begun is finished, and nothing is lost."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from tests.faults import poison
from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.history import Load, Operation, complete, settled
from tests.support.clock import now
from tests.support.people import Player
from tests.support.service import Process, Service, eventually

SERVICE_RESTART = 1012

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'scoreboard-web' AND wait_event_type = 'Lock'
"""


@pytest.fixture(scope="module", autouse=True)
def poisonous(service: Service) -> None:
    poison.set_up(service.stores)


@pytest.fixture(autouse=True)
def antidote(service: Service) -> Iterator[None]:
    """Leave no poison to the next test, however this one ends."""
    yield
    poison.forget(service.stores)


@contextmanager
def in_flight(service: Service, web: Process, player: Player, history: list[Operation]) -> Iterator[None]:
    """Make a completion wait for its user within the block; it can go on at its end."""
    http = httpx2.Client(base_url=web.url, headers={"authorization": f"Bearer {player.token}"}, timeout=5)
    action_id = player.started()
    client = threading.Thread(target=lambda: history.append(complete(http, player.user_id, action_id)))
    try:
        with service.stores.engine.begin() as conn:
            conn.execute(sa.text("SELECT 1 FROM users WHERE id = :id FOR UPDATE"), {"id": player.user_id})
            client.start()
            eventually(lambda: service.stores.value(_WAITING), what="a completion that waits for its user")
            yield
        client.join(10)
        assert not client.is_alive()
    finally:
        http.close()


@pytest.mark.parametrize("concurrency", ["1", "2"])
def test_web_shutdown_answers_requests_and_redirects_sockets(
    concurrency: str,
    service: Service,
    web: Process,
    alice: Player,
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    leaving = service.web(WEB_CONCURRENCY=concurrency)
    history: list[Operation] = []
    with Audience(alice, [web, leaving]) as audience:
        with in_flight(service, leaving, alice, history):
            leaving.signal(signal.SIGTERM)
            eventually(lambda: "Shutting down" in leaving.output(), within=1, what="that it shuts down")
        assert [(it.status, it.score) for it in history] == [(200, 10)]
        healed(f"SIGTERM to web (WEB_CONCURRENCY={concurrency}), until it has ended", aftermath.stop(leaving))
        [_, gone] = audience.listeners
        for it in (gone, audience.spectators[1]):
            eventually(it.closed.is_set, what="that its socket and its stream are closed")
            assert it.code == SERVICE_RESTART
        service.worker()
        service.beat()
        aftermath.holds(history, audience)
    for process in service.processes[-2:]:
        aftermath.stop(process)


def test_worker_finishes_its_task_before_it_ends(
    service: Service, web: Process, alice: Player, aftermath: Aftermath, healed: Callable[[str, float], None]
) -> None:
    worker = service.worker()
    poison.give(service.stores, alice.user_id, poison.SLEEP, seconds=1.5)
    history = [complete(alice.http, alice.user_id, alice.started())]
    eventually(lambda: poison.asleep(service.stores), what="a worker in the middle of its task")
    took = aftermath.stop(worker, group=True)
    healed("SIGTERM to a worker and its child in the middle of a task, until it has ended", took)
    assert alice.settlement(history[0].action_id) == "cleared"
    aftermath.holds(history)


def test_worker_whose_child_hangs_for_good_ends_all_the_same(
    service: Service, web: Process, alice: Player, aftermath: Aftermath, healed: Callable[[str, float], None]
) -> None:
    aftermath.deliberate("did not end within")
    worker = service.worker()
    children = Path(f"/proc/{worker.popen.pid}/task/{worker.popen.pid}/children")
    [child] = [int(pid) for pid in children.read_text().split()]
    os.kill(child, signal.SIGSTOP)
    history = [complete(alice.http, alice.user_id, alice.started())]
    aftermath.expect_end(worker)
    began = now()
    worker.signal(signal.SIGTERM)
    assert worker.popen.wait(25) == 1
    healed("SIGTERM to a worker whose child hangs for good, until it has ended", now() - began)
    eventually(lambda: not Path(f"/proc/{child}").exists(), what="that its child is gone")
    service.worker()
    service.beat()
    aftermath.holds(history)
    for process in service.processes[-2:]:
        aftermath.stop(process)


def test_worker_ending_before_its_child_began_reads_the_report(
    service: Service, web: Process, alice: Player, aftermath: Aftermath, healed: Callable[[str, float], None]
) -> None:
    worker = service.worker()
    children = Path(f"/proc/{worker.popen.pid}/task/{worker.popen.pid}/children")
    [child] = [int(pid) for pid in children.read_text().split()]
    os.kill(child, signal.SIGSTOP)
    history = [complete(alice.http, alice.user_id, alice.started())]
    time.sleep(0.5)  # in which the message comes to the pipe between worker and child
    worker.signal(signal.SIGTERM)
    eventually(lambda: "Warm shutdown" in worker.output(), what="that the worker ends")
    time.sleep(0.5)  # in which it gives up what no child has begun
    os.kill(child, signal.SIGCONT)
    healed("SIGTERM to a worker whose child has not begun its task, until it has ended", aftermath.stop(worker))
    service.worker()
    service.beat()
    aftermath.holds(history)
    for process in service.processes[-2:]:
        aftermath.stop(process)


def test_processes_are_replaced_under_load_one_by_one(
    service: Service, web: Process, players: list[Player], aftermath: Aftermath, healed: Callable[[str, float], None]
) -> None:
    webs = [service.web(), service.web()]
    worker, beat = service.worker(), service.beat()
    load = Load([it.url for it in webs], players)
    with Audience(players[0], [web, *webs]) as audience:
        with load:
            load.flowing(within=5)
            for old in webs:
                healed("SIGTERM to web under load, until it has ended", aftermath.stop(old))
                service.web(port=old.port)
                load.flowing(within=5)
            healed("SIGTERM to a worker under load, until it has ended", aftermath.stop(worker))
            began = now()
            worker = service.worker()
            settled_since = eventually(lambda: load.oks(began), what="completions")
            eventually(
                lambda: service.stores.value(
                    "SELECT settled_at IS NOT NULL FROM actions WHERE id = :id", id=settled_since[0].action_id
                ),
                what="that the new worker settles",
            )
            healed("SIGTERM to beat under load, until it has ended", aftermath.stop(beat))
            beat = service.beat()
        statuses = load.statuses()
        # A client that is refused, or whose kept connection is closed as it sends, has to ask again elsewhere.
        assert statuses.keys() <= {200, None}
        assert statuses[None] <= len(players)
        for it in audience.listeners[1:]:
            assert it.code == SERVICE_RESTART
        repeated = load.repeat_unknown()
        assert {it.status for it in repeated} <= {200, 409}
        settled(service.stores)
        aftermath.holds(load.history, audience)
    for process in (worker, beat):
        aftermath.stop(process)
