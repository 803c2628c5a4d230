"""Web processes that die with requests in flight."""

import threading
from collections.abc import Callable

import httpx2
import pytest
import sqlalchemy as sa

from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.history import Load, complete
from tests.support.clock import now
from tests.support.people import Player
from tests.support.service import Process, Service, eventually

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'scoreboard-web' AND wait_event_type = 'Lock'
"""


@pytest.fixture(scope="module", autouse=True)
def workers(service: Service) -> None:
    service.worker()
    service.beat()


@pytest.fixture
def doomed(service: Service) -> Process:
    """Another web process, which is going to be killed."""
    return service.web()


def test_put_repeated_after_a_kill_learns_what_was_recorded(
    service: Service,
    web: Process,
    doomed: Process,
    players: list[Player],
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    load = Load([doomed.url], players, pause=0, timeout=3)
    with Audience(players[0], [web, doomed]) as audience:
        with load:
            load.flowing(within=5)
            for _ in range(3):
                died = now()
                aftermath.kill(doomed)
                doomed = service.web(port=doomed.port)
                load.flowing(within=5)
                healed("web killed with requests in flight, until the one started next serves", now() - died)
        assert 0 < load.statuses()[None] <= 3 * len(players)
        repeated = load.repeat_unknown()
        assert {it.status for it in repeated} <= {200, 409}
        assert {it.outcome for it in load.history} == {"ok"}
        aftermath.holds(load.history, audience)


def test_completion_killed_before_commit_is_unscored_repeatable(
    service: Service, web: Process, doomed: Process, alice: Player, aftermath: Aftermath
) -> None:
    action_id = alice.started()
    history = []
    http = httpx2.Client(base_url=doomed.url, headers=alice.http.headers, timeout=5)
    client = threading.Thread(target=lambda: history.append(complete(http, alice.user_id, action_id)))
    with service.stores.engine.begin() as conn:
        conn.execute(sa.text("SELECT 1 FROM users WHERE id = :id FOR UPDATE"), {"id": alice.user_id})
        client.start()
        eventually(lambda: service.stores.value(_WAITING), what="a completion that waits for its user")
        aftermath.kill(doomed)
    client.join(10)
    http.close()
    assert [it.outcome for it in history] == ["unknown"]
    assert alice.http.get(f"/users/{alice.user_id}/actions/{action_id}").json()["status"] == "started"
    history.append(complete(alice.http, alice.user_id, action_id, repeated=True))
    assert history[-1].status == 200
    aftermath.holds(history[1:])


def test_completion_committed_but_unanswered_is_then_a_409(
    service: Service, web: Process, doomed: Process, alice: Player, aftermath: Aftermath
) -> None:
    """The answer is lost on the way: the client reads nothing after it has sent its request."""
    action_id = alice.started()
    path = f"/users/{alice.user_id}/actions/{action_id}"
    http = httpx2.Client(base_url=doomed.url, headers=alice.http.headers)
    with http.stream("PUT", path, json={"status": "completed"}):
        eventually(
            lambda: service.stores.value("SELECT status FROM actions WHERE id = :id", id=action_id) == "completed"
        )
        aftermath.kill(doomed)
    http.close()
    answer = alice.end(action_id)
    assert answer.status_code == 409
    assert answer.json()["action"]["score"] == 10
    assert answer.json()["action"]["status"] == "completed"
    history = [complete(alice.http, alice.user_id, action_id, repeated=True)]
    aftermath.holds(history)
