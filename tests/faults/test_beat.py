"""A scheduler that is dead, and one too many."""

import re
from collections.abc import Callable

import httpx2
import pytest

from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.history import Load, settled
from tests.support.clock import now
from tests.support.people import Player
from tests.support.service import Process, Service, Stores, eventually, free_port

_CLEARED = re.compile(r"score\.updated cleared=(\d+)")
_CLEARED_ROWS = "SELECT count(*) FROM actions WHERE settlement = 'cleared'"


@pytest.fixture(scope="module")
def workers(service: Service) -> list[Process]:
    """Two workers."""
    return [service.worker(), service.worker()]


@pytest.fixture(scope="module")
def cut_off(service: Service) -> Process:
    """A web process that reaches no broker, so that what is completed here waits for the sweep."""
    return service.web(CELERY_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")


def cleared(workers: list[Process]) -> int:
    """Count the actions that the workers say to have cleared."""
    return sum(int(number) for worker in workers for number in _CLEARED.findall(worker.output()))


def waiting(stores: Stores) -> int:
    return int(stores.value("SELECT count(*) FROM actions WHERE status = 'completed' AND settled_at IS NULL"))


def test_beat_away_queue_works_and_the_sweep_follows_its_return(
    service: Service,
    web: Process,
    cut_off: Process,
    workers: list[Process],
    players: list[Player],
    alice: Player,
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    beat = service.beat()
    with Audience(players[0], [web, cut_off]) as audience:
        forgotten = Load([cut_off.url], players[:3])
        with forgotten:
            forgotten.flowing(within=5)
        settled(service.stores)
        aftermath.kill(beat)
        died = now()
        usual = Load([web.url], players[3:])
        with forgotten, usual:
            eventually(lambda: now() - died > 20, within=25, what="20 s without it")
        behind = len(forgotten.oks(died))
        # The last sweep may have been in the queue when beat died.
        eventually(lambda: 0 < waiting(service.stores) <= behind, what="that only these wait")
        assert usual.history
        eventually(lambda: set(settlements(service.stores, usual)) == {"cleared"}, what="what the queue settles")
        assert "pending" in settlements(service.stores, forgotten)
        assert lag(web) > 15
        back = now()
        beat = service.beat()
        settled(service.stores)
        assert lag(web) == 0
        healed(f"beat dead for {back - died:.0f} s, from its start until all is settled", now() - back)
        aftermath.holds([*forgotten.history, *usual.history], audience)
    assert cleared(workers) == service.stores.value(_CLEARED_ROWS)
    aftermath.stop(beat)


def lag(web: Process) -> float:
    """Return the seconds that the metric says the oldest action has waited."""
    text = httpx2.get(f"{web.url}/metrics", timeout=10).text
    return float(re.findall(r"^settle_lag_seconds ([\d.e+-]+)$", text, re.MULTILINE)[0])


def settlements(stores: Stores, load: Load) -> list[str]:
    """Return what became of a load's completions."""
    query = "SELECT settlement FROM actions WHERE id = ANY(CAST(:ids AS uuid[]))"
    return [row[0] for row in stores.rows(query, ids=[it.action_id for it in load.history])]


def test_beat_twice_settles_nothing_twice(
    service: Service,
    web: Process,
    cut_off: Process,
    workers: list[Process],
    players: list[Player],
    aftermath: Aftermath,
) -> None:
    beats = [service.beat(), service.beat(), service.beat()]
    load = Load([web.url, cut_off.url], players)
    with Audience(players[0], [web, cut_off]) as audience:
        with load:
            eventually(lambda: len(load.oks()) > 400, within=15, what="some load")
        aftermath.holds(load.history, audience)
    assert cleared(workers) == service.stores.value(_CLEARED_ROWS)
    assert service.stores.value("SELECT max(attempts) FROM actions") <= 2
    for beat in beats:
        aftermath.stop(beat)
