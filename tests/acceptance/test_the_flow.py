"""Start an action, complete it, see the board move: on real processes."""

import pytest

from app.board.overdue import OVERDUE
from tests.support.people import Player
from tests.support.service import Process, Service, eventually
from tests.support.sockets import listening, message


@pytest.fixture(scope="module")
def worker(service: Service) -> Process:
    service.beat()
    return service.worker()


def test_completed_action_reaches_every_socket_and_the_board(
    service: Service, web: Process, worker: Process, alice: Player, bob: Player
) -> None:
    other = service.web()
    with listening(web, alice.token) as first, listening(other, bob.token) as second:
        before = [message(first), message(second)]
        assert before[0] == before[1]
        alice.score()
        # Sooner than the sweep, which would come for what no message had reached.
        after = [message(first, within=OVERDUE), message(second, within=OVERDUE)]

    assert after[0] == after[1]
    assert after[0]["type"] == "top_scores_update"
    assert after[0]["version"] > before[0]["version"]
    expected = {"userId": alice.user_id, "username": alice.username, "score": 10, "rank": 1}
    assert expected in after[0]["payload"]
    for process in (web, other):
        answer = alice.http.get(f"{process.url}/top-scores")
        assert answer.json() == after[0]["payload"]
        assert answer.headers["etag"] == f'"{after[0]["epoch"]}-{after[0]["version"]}"'
    assert service.stores.rows("SELECT username, score FROM top_scores WHERE board_id = 'all-time'") == [
        (alice.username, 10)
    ]
    assert service.stores.redis.get("top_scores:10") is not None


def test_action_that_no_message_reached_is_settled_by_the_sweep(
    service: Service, web: Process, worker: Process, alice: Player
) -> None:
    action_id = alice.started()
    deaf = service.web(CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    answer = alice.http.put(f"{deaf.url}/users/{alice.user_id}/actions/{action_id}", json={"status": "completed"})
    assert answer.status_code == 200
    eventually(lambda: alice.settlement(action_id) == "cleared", within=10, what="the sweep")
