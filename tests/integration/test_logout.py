"""POST /auth/logout: every token of the user is void, in every process."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from app.domain.ids import UserId
from db import users
from tests.support.people import Player
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.sockets import listening, message
from tests.support.tokens import authorization


@pytest.fixture(scope="module")
def other(service: Service) -> Process:
    """A second web process on the same stores."""
    return service.web()


def audit(stores: Stores, player: Player) -> list[Any]:
    return stores.rows("SELECT kind, actor FROM audit_events WHERE user_id = :id", id=player.user_id)


def test_logout_answers_nothing_and_is_recorded(alice: Player, stores: Stores) -> None:
    answer = alice.http.post("/auth/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    assert audit(stores, alice) == [("logged_out", alice.user_id)]
    assert stores.value("SELECT token_version FROM users WHERE id = :id", id=alice.user_id) == 1


def test_logout_without_a_token_logs_nobody_out(web: Process, alice: Player, stores: Stores) -> None:
    problem(httpx2.post(f"{web.url}/auth/logout"), 401, "unauthorized")
    assert audit(stores, alice) == []


def test_second_time_is_refused_and_ends_nothing_more(alice: Player, stores: Stores, other: Process) -> None:
    assert alice.http.post("/auth/logout").status_code == 204
    problem(alice.http.post("/auth/logout"), 401, "unauthorized")
    problem(alice.http.post(f"{other.url}/auth/logout"), 401, "unauthorized")
    assert len(audit(stores, alice)) == 1


def test_end_tokens_ends_those_of_one_version_once(alice: Player, stores: Stores) -> None:
    for first in (True, False):
        with stores.engine.begin() as conn:
            assert users.end_tokens(conn, UserId(alice.user_id), 0) is first
    assert stores.value("SELECT token_version FROM users WHERE id = :id", id=alice.user_id) == 1


def test_every_token_of_the_user_is_void_not_only_the_one_shown(alice: Player, bob: Player) -> None:
    first = alice.token
    alice.login()
    assert alice.http.post("/auth/logout").status_code == 204
    path = f"/users/{alice.user_id}/actions"
    problem(alice.http.post(path, json={"status": "started"}, headers=authorization(first)), 401)
    assert bob.start().status_code == 201


WRITES: dict[str, Callable[[Player, str, str], httpx2.Response]] = {
    "create": lambda player, url, _: player.http.post(
        f"{url}/users/{player.user_id}/actions", json={"status": "started"}
    ),
    "complete": lambda player, url, action_id: player.http.put(
        f"{url}/users/{player.user_id}/actions/{action_id}", json={"status": "completed"}
    ),
    "cancel": lambda player, url, action_id: player.http.put(
        f"{url}/users/{player.user_id}/actions/{action_id}", json={"status": "cancelled"}
    ),
    "refresh": lambda player, url, _: player.http.post(f"{url}/auth/refresh"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writes_are_refused_at_once_in_every_process(
    alice: Player, web: Process, other: Process, stores: Stores, write: Callable[..., httpx2.Response]
) -> None:
    action_id = alice.started()
    assert alice.http.get(f"{other.url}/users/{alice.user_id}").status_code == 200  # known there as good
    assert alice.http.post("/auth/logout").status_code == 204
    for process in (other, web):
        problem(write(alice, process.url, action_id), 401, "unauthorized")
    rows = stores.rows("SELECT id::text, status FROM actions WHERE user_id = :id", id=alice.user_id)
    assert rows == [(action_id, "started")]


def test_reads_are_refused_within_five_seconds_in_every_process(alice: Player, other: Process) -> None:
    reads = ["/top-scores", f"/users/{alice.user_id}", f"/users/{alice.user_id}/actions/{alice.started()}"]
    for path in reads:
        assert alice.http.get(other.url + path).status_code == 200
    assert alice.http.post("/auth/logout").status_code == 204
    for path in reads:
        problem(alice.http.get(path), 401, "unauthorized")
        eventually(lambda it=path: alice.http.get(other.url + it).status_code == 401, within=5, what=f"401 for {path}")  # type: ignore[misc]


@pytest.mark.usefixtures("quiet")
def test_sockets_are_closed_within_five_seconds_in_every_process(
    alice: Player, bob: Player, web: Process, other: Process
) -> None:
    with (
        listening(web, alice.token) as here,
        listening(other, alice.token) as there,
        listening(other, bob.token) as of_bob,
    ):
        for websocket in (here, there, of_bob):
            message(websocket)
        assert alice.http.post("/auth/logout").status_code == 204
        for websocket in (here, there):
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(timeout=5)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4401
        with pytest.raises(TimeoutError):
            of_bob.recv(timeout=0.1)
        assert of_bob.ping().wait(1)


def test_new_login_works_at_once_in_both_processes(alice: Player, web: Process, other: Process) -> None:
    assert alice.http.get(f"{other.url}/users/{alice.user_id}").status_code == 200
    assert alice.http.post("/auth/logout").status_code == 204
    alice.login()
    for process in (other, web):
        assert alice.http.get(f"{process.url}/users/{alice.user_id}").status_code == 200
        action = alice.http.post(f"{process.url}/users/{alice.user_id}/actions", json={"status": "started"})
        assert action.status_code == 201
        with listening(process, alice.token) as websocket:
            assert message(websocket)["type"] == "top_scores_update"
