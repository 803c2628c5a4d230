"""Hosts whose clocks disagree: everything is settled all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.people import Player
from tests.support.service import Process, Service, Stores, eventually, free_port

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

pytestmark = pytest.mark.skipif(FAKETIME is None, reason="needs faketime (Debian, Ubuntu: apt install faketime)")


@pytest.fixture(params=["+65s", "-65s"])
def worker(service: Service, request: pytest.FixtureRequest) -> Iterator[Process]:
    """A worker whose clock is a minute off."""
    shifted = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": request.param}
    process = service.worker(**shifted)
    yield process
    process.stop()


def test_worker_with_another_clock_settles_what_messages_name(
    web: Process, worker: Process, alice: Player, stores: Stores
) -> None:
    """There is no beat here, so that no sweep can do it."""
    action_id = alice.started()
    assert alice.end(action_id).status_code == 200
    eventually(lambda: alice.settlement(action_id) == "cleared", within=5, what="the message's settling")


def test_worker_with_another_clock_sweeps_for_beat(
    service: Service, worker: Process, alice: Player, stores: Stores
) -> None:
    cut_off = service.web(CELERY_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")
    beat = service.beat()
    action_id = alice.started()
    answer = alice.http.put(f"{cut_off.url}/users/{alice.user_id}/actions/{action_id}", json={"status": "completed"})
    assert answer.status_code == 200
    eventually(lambda: alice.settlement(action_id) == "cleared", within=8, what="the sweep's settling")
    for process in (beat, cut_off):
        process.stop()


def test_beat_sends_no_more_while_nobody_takes_it(service: Service, stores: Stores) -> None:
    stores.redis.delete("sweep")
    beat = service.beat()
    eventually(lambda: stores.redis.llen("sweep") == 4, within=15, what="a full queue")
    with pytest.raises(AssertionError):
        eventually(lambda: stores.redis.llen("sweep") > 4, within=5, what="more than are wanted")
    assert "Traceback" not in beat.output()
    beat.stop()
    stores.redis.delete("sweep")
