"""Workers that are killed, and actions that hang, fail or kill whoever settles them."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from tests.faults import poison
from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.conftest import TrustingService
from tests.faults.history import Load, complete, settled
from tests.support.clock import now
from tests.support.people import Player
from tests.support.service import Process, Service, Stores, eventually

SOON = 10.0
"""Seconds after its completion within which every action has to be settled, whatever becomes of a worker."""

KILLED = "WorkerLostError"
"""What Celery logs, with a traceback, of a task whose process was killed."""


@pytest.fixture(scope="module", autouse=True)
def beat(service: Service) -> Process:
    poison.set_up(service.stores)
    return service.beat()


@pytest.fixture(autouse=True)
def antidote(service: Service) -> Iterator[None]:
    """Leave no poison to the next test, however this one ends."""
    yield
    poison.forget(service.stores)


@pytest.fixture
def worker(service: Service) -> Iterator[Process]:
    """The only worker."""
    worker = service.worker()
    yield worker
    worker.stop()


@pytest.fixture
def deadly_worker(service: TrustingService) -> Iterator[Process]:
    """The only worker, which some actions can hang or kill."""
    worker = service.deadly_worker()
    yield worker
    worker.stop()


@pytest.fixture
def deadly_workers(service: TrustingService, deadly_worker: Process) -> Iterator[None]:
    """Two such workers."""
    other = service.deadly_worker()
    yield
    other.stop()


def is_held(player: Player, action_id: str) -> bool:
    return player.settlement(action_id) == "held"


def attempts(stores: Stores, action_id: str) -> int:
    return int(stores.value("SELECT attempts FROM actions WHERE id = :id", id=action_id))


def children(process: Process) -> list[int]:
    """List the processes that a worker has made."""
    pid = process.popen.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("whom", ["worker", "child"])
def test_killed_worker_leaves_actions_that_are_settled_soon(
    whom: str,
    service: Service,
    web: Process,
    worker: Process,
    alice: Player,
    bob: Player,
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    with Audience(bob, [web]) as audience:
        poison.give(service.stores, alice.user_id, poison.SLEEP, seconds=3)
        history = [complete(alice.http, alice.user_id, alice.started())]
        eventually(lambda: poison.asleep(service.stores), what="a worker in the middle of its task")
        died = now()
        if whom == "worker":
            aftermath.kill(worker)
            poison.take_away(service.stores, alice.user_id)
            replacement = service.worker()
        else:
            aftermath.deliberate(KILLED)
            [child] = children(worker)
            os.kill(child, signal.SIGKILL)
            poison.take_away(service.stores, alice.user_id)
        settled(service.stores, within=SOON)
        healed(f"{whom} killed in the middle of a task, until another has settled it", now() - died)
        aftermath.holds(history, audience)
    if whom == "worker":
        aftermath.stop(replacement)


def test_worker_of_two_can_be_killed_at_any_time(
    service: Service,
    web: Process,
    worker: Process,
    players: list[Player],
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    others = [service.worker(), service.worker()]
    load = Load([web.url], players, pause=0)
    with Audience(players[0], [web]) as audience:
        with load:
            for other in others:
                load.flowing(within=5)
                aftermath.kill(other)
                took = settled_so_far(service.stores)
                healed("one of several workers killed under load, until all it may have had is settled", took)
        aftermath.holds(load.history, audience)


def settled_so_far(stores: Stores) -> float:
    """Wait until everything that is completed by now is settled, and give the seconds that took."""
    began = now()
    moment = stores.value("SELECT clock_timestamp()")
    query = "SELECT count(*) FROM actions WHERE status = 'completed' AND settled_at IS NULL AND end_at <= :moment"
    eventually(lambda: stores.value(query, moment=moment) == 0, within=SOON, what="that everything is settled")
    return now() - began


@pytest.mark.timeout(180)
def test_actions_that_always_fail_are_set_aside_and_delay_nobody(
    service: Service,
    web: Process,
    deadly_worker: Process,
    players: list[Player],
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    """One raises, one costs the worker its connection, one its process."""
    aftermath.deliberate(KILLED, "poison")
    poisonous = dict(zip(players, (poison.RAISE, poison.TERMINATE, poison.DIE), strict=False))
    load = Load([web.url], players[3:], pause=0.1)
    with Audience(players[3], [web]) as audience:
        for player, kind in poisonous.items():
            poison.give(service.stores, player.user_id, kind)
        with load:
            load.flowing(within=5)
            began = now()
            bad = {player: complete(player.http, player.user_id, player.started()) for player in poisonous}
            for player, it in bad.items():
                eventually(partial(is_held, player, it.action_id), within=60, what="that it is set aside")
            healed("three actions that fail every time, until they are set aside", now() - began)
        settled(service.stores)
        healed("the others beside three actions that fail every time", others(service, load))
        aftermath.holds([*load.history, *bad.values()], audience)
    metrics = httpx2.get(f"{deadly_worker.url}/metrics", timeout=10).text
    assert f"actions_set_aside_total {len(bad)}.0" in metrics
    for it in bad.values():
        assert attempts(service.stores, it.action_id) == 5
        assert f"action {it.action_id} can't be settled and is set aside" in deadly_worker.output()
        rule = service.stores.value("SELECT details->>'rule' FROM audit_events WHERE action_id = :id", id=it.action_id)
        assert rule == "unsettleable"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", [poison.SLEEP, poison.HANG])
def test_action_that_hangs_delays_nobody_and_is_settled_later(
    kind: str,
    service: Service,
    web: Process,
    deadly_workers: None,
    players: list[Player],
    alice: Player,
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    """It hangs in the database until its statement is cancelled, or in the worker until that is killed."""
    aftermath.deliberate(KILLED)
    load = Load([web.url], players, pause=0.1)
    with Audience(players[0], [web]) as audience:
        poison.give(service.stores, alice.user_id, kind)
        with load:
            load.flowing(within=5)
            bad = complete(alice.http, alice.user_id, alice.started())
            eventually(lambda: attempts(service.stores, bad.action_id) >= 2, within=40, what="a second attempt")
        poison.take_away(service.stores, alice.user_id)
        settled(service.stores, within=SOON)
        healed(f"the others beside an action that hangs ({kind}), with two workers", others(service, load))
        assert alice.settlement(bad.action_id) == "cleared"
        aftermath.holds([*load.history, bad], audience)


def others(service: Service, load: Load) -> float:
    """Return the longest in seconds that an action of the load had to wait, which must not be long."""
    query = """
        SELECT max(extract(epoch FROM settled_at - end_at)) FROM actions
        WHERE status = 'completed' AND user_id = ANY(CAST(:users AS uuid[]))
    """
    waited = float(service.stores.value(query, users=[player.user_id for player in load.players]))
    assert waited < SOON
    return waited


def test_lock_that_is_held_for_long_sets_nothing_aside(
    service: Service,
    web: Process,
    worker: Process,
    alice: Player,
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    """A rebuild of many standings may take as long, and no action is to blame."""
    with service.stores.engine.begin() as conn:
        conn.execute(sa.text("LOCK TABLE standings IN SHARE ROW EXCLUSIVE MODE"))
        history = [complete(alice.http, alice.user_id, alice.started())]
        # As if it had gone on like this for a while.
        service.stores.execute("UPDATE actions SET attempts = 4 WHERE id = :id", id=history[0].action_id)
        eventually(lambda: worker.output().count("the next sweep tries again") >= 3, what="more attempts")
        assert alice.settlement(history[0].action_id) == "pending"
    healed("standings locked for long, until all is settled", settled(service.stores))
    assert alice.settlement(history[0].action_id) == "cleared"
    aftermath.holds(history)
