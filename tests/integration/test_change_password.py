"""POST /users/:userId/password: another password for the right one, and every older token ends."""

from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from app.domain.ids import UserId
from db import persons
from tests.support.people import PASSWORD, Player
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.sockets import listening, message
from tests.support.tokens import authorization

NEW = "another horse battery"


@pytest.fixture(scope="module")
def other(service: Service) -> Process:
    """A second web process on the same stores."""
    return service.web()


def change(player: Player, current: str = PASSWORD, new: str = NEW, **options: Any) -> httpx2.Response:
    body = {"currentPassword": current, "newPassword": new}
    return player.http.post(f"/users/{player.user_id}/password", json=body, **options)


def login(web: Process, player: Player, password: str) -> httpx2.Response:
    body = {"username": player.username, "password": password}
    return httpx2.post(f"{web.url}/auth/login", json=body, timeout=10)


def refused(player: Player, url: str, token: str) -> bool:
    return player.http.get(url, headers=authorization(token)).status_code == 401


def version(stores: Stores, player: Player) -> int:
    return int(stores.value("SELECT token_version FROM users WHERE id = :id", id=player.user_id))


def test_change_password_replaces_it_and_answers_like_a_login(web: Process, alice: Player, stores: Stores) -> None:
    answer = change(alice)
    assert answer.status_code == 200
    assert {key: value for key, value in answer.json().items() if key != "accessToken"} == {
        "expiresIn": 3600,
        "tokenType": "Bearer",
        "userId": alice.user_id,
    }
    assert answer.headers["cache-control"] == "no-store"
    problem(login(web, alice, PASSWORD), 401, "wrong-credentials")
    assert login(web, alice, NEW).status_code == 200
    events = stores.rows("SELECT kind, actor, reason FROM audit_events WHERE user_id = :id", id=alice.user_id)
    assert events == [("logged_out", alice.user_id, "the password was changed")]


def test_change_password_token_is_the_only_one_that_works(web: Process, other: Process, alice: Player) -> None:
    first = alice.token
    alice.login()
    assert alice.http.get(f"{other.url}/users/{alice.user_id}").status_code == 200  # known there as good
    fresh = authorization(change(alice).json()["accessToken"])
    started = {"status": "started"}
    for process in (web, other):
        url = f"{process.url}/users/{alice.user_id}"
        assert alice.http.get(url, headers=fresh).status_code == 200
        assert alice.http.post(f"{url}/actions", json=started, headers=fresh).status_code == 201
        for old in (first, alice.token):
            problem(alice.http.post(f"{url}/actions", json=started, headers=authorization(old)), 401, "unauthorized")
            eventually(lambda url=url, old=old: refused(alice, url, old), within=5, what="the end of the token")  # type: ignore[misc]
    assert alice.http.post("/auth/refresh", headers=fresh).status_code == 200


def test_sockets_of_older_tokens_are_closed_in_every_process(web: Process, other: Process, alice: Player) -> None:
    with listening(web, alice.token) as here, listening(other, alice.token) as there:
        message(here), message(there)
        assert change(alice).status_code == 200
        for websocket in (here, there):
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(timeout=5)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4401


def test_change_password_without_the_right_one_changes_nothing(web: Process, alice: Player, stores: Stores) -> None:
    for wrong in ("wrong horse battery", "", PASSWORD.upper()):
        problem(change(alice, wrong), 403, "wrong-password")
    assert version(stores, alice) == 0
    assert alice.start().status_code == 201
    assert login(web, alice, PASSWORD).status_code == 200


def test_change_password_of_another_user_is_refused(alice: Player, bob: Player, stores: Stores) -> None:
    path, body = f"/users/{alice.user_id}/password", {"currentPassword": PASSWORD, "newPassword": NEW}
    problem(bob.http.post(path, json=body), 403, "forbidden")
    problem(bob.http.post(path, json=body, headers={"authorization": ""}), 401, "unauthorized")
    assert (version(stores, alice), version(stores, bob)) == (0, 0)


def test_token_that_ended_elsewhere_changes_nothing(other: Process, alice: Player, stores: Stores) -> None:
    assert alice.http.get(f"{other.url}/users/{alice.user_id}").status_code == 200  # known there as good
    assert alice.http.post("/auth/logout").status_code == 204
    body = {"currentPassword": PASSWORD, "newPassword": NEW}
    problem(alice.http.post(f"{other.url}/users/{alice.user_id}/password", json=body), 401, "unauthorized")
    assert version(stores, alice) == 1


def test_suspended_player_changes_nothing(alice: Player, stores: Stores) -> None:
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=alice.user_id)
    problem(change(alice, "wrong horse battery"), 403, "wrong-password")
    problem(change(alice), 403, "user-suspended")
    assert version(stores, alice) == 0


BAD: list[dict[str, Any]] = [
    {},
    {"currentPassword": PASSWORD},
    {"newPassword": NEW},
    {"currentPassword": PASSWORD, "newPassword": "seven77"},
    {"currentPassword": PASSWORD, "newPassword": "x" * 129},
    {"currentPassword": PASSWORD, "newPassword": 12345678},
    {"currentPassword": None, "newPassword": NEW},
    {"currentPassword": "x" * 513, "newPassword": NEW},
    {"currentPassword": PASSWORD, "newPassword": NEW, "surplus": 1},
    {"currentPassword": PASSWORD, "newPassword": "nul\0nul\0"},
]


@pytest.mark.parametrize("body", BAD)
def test_change_password_malformed_is_refused(alice: Player, stores: Stores, body: dict[str, Any]) -> None:
    problem(alice.http.post(f"/users/{alice.user_id}/password", json=body), 400)
    assert version(stores, alice) == 0


def test_shortest_and_the_longest_password_are_taken(web: Process, alice: Player) -> None:
    for password, before in (("ü" * 8, PASSWORD), ("x" * 128, "ü" * 8)):
        answer = change(alice, before, password)
        assert answer.status_code == 200
        alice.http.headers["authorization"] = f"Bearer {answer.json()['accessToken']}"
        assert login(web, alice, password).status_code == 200


def test_guesses_share_the_limit_of_logins_of_the_same_account(
    service: Service, alice: Player, bob: Player, stores: Stores
) -> None:
    stores.redis.flushall()
    limited = service.web(RATE_LIMIT_LOGIN_ACCOUNT="3/hour", RATE_LIMIT_USER="1000/hour")
    url = f"{limited.url}/users/{alice.user_id}/password"
    guess = {"currentPassword": "wrong horse battery", "newPassword": NEW}
    assert login(limited, alice, PASSWORD).status_code == 200
    for left in (1, 0):
        answer = alice.http.post(url, json=guess)
        problem(answer, 403, "wrong-password")
        assert answer.headers["ratelimit"].startswith(f'"login_account";r={left};')
        assert len(answer.headers.get_list("ratelimit")) == 1
    refused = alice.http.post(url, json={"currentPassword": PASSWORD, "newPassword": NEW})
    assert problem(refused, 429, "rate-limited")["policy"] == "login_account"
    problem(login(limited, alice, PASSWORD), 429, "rate-limited")
    assert alice.http.post(url, json={}).status_code == 400  # what is malformed is no guess
    own = {"currentPassword": PASSWORD, "newPassword": NEW}
    assert bob.http.post(f"{limited.url}/users/{bob.user_id}/password", json=own).status_code == 200


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_guesses_from_many_addresses_are_failures_of_the_account(
    service: Service, alice: Player, stores: Stores, method: str
) -> None:
    stores.redis.flushall()
    limited = service.web(RATE_LIMIT_LOGIN_ACCOUNT="1/hour", TRUSTED_PROXIES="127.0.0.0/8")
    url = f"{limited.url}/users/{alice.user_id}"

    def guess(number: int) -> httpx2.Response:
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        wrong = "wrong horse battery"
        if method == "DELETE":
            return alice.http.request("DELETE", url, json={"password": wrong}, headers=headers)
        body = {"currentPassword": wrong, "newPassword": NEW}
        return alice.http.post(f"{url}/password", json=body, headers=headers)

    for number in range(10):
        problem(guess(number), 403, "wrong-password")
    problem(guess(10), 429, "rate-limited")


def test_change_password_in_sql_spares_suspended_and_void_tokens(alice: Player, stores: Stores) -> None:
    def changed(token_version: int) -> int | None:
        with stores.engine.begin() as conn:
            return persons.change_password(conn, UserId(alice.user_id), token_version, "another hash")

    assert [changed(0), changed(0)] == [1, None]
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=alice.user_id)
    assert changed(1) is None


def test_every_try_is_a_write_of_its_user(service: Service, alice: Player, stores: Stores) -> None:
    stores.redis.flushall()
    limited = service.web(RATE_LIMIT_USER="2/hour")
    url = f"{limited.url}/users/{alice.user_id}/password"
    for _ in range(2):
        problem(alice.http.post(url, json={}), 400)
    assert problem(alice.http.post(url, json={}), 429, "rate-limited")["policy"] == "user"
