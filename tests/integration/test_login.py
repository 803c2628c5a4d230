"""POST /auth/login."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Stores, eventually, problem


@pytest.fixture
def visitor(web: Process) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=web.url, timeout=10) as client:
        yield client


def login(visitor: httpx2.Client, username: str, password: str = PASSWORD) -> httpx2.Response:
    return visitor.post("/auth/login", json={"username": username, "password": password})


def test_right_password_gives_a_token_that_works(visitor: httpx2.Client, alice: Player) -> None:
    answer = login(visitor, alice.username)
    assert answer.status_code == 200
    body = answer.json()
    assert body == {
        "accessToken": body["accessToken"],
        "expiresIn": 3600,
        "tokenType": "Bearer",
        "userId": alice.user_id,
    }
    assert answer.headers["cache-control"] == "no-store"
    own = visitor.get(f"/users/{alice.user_id}", headers={"Authorization": f"Bearer {body['accessToken']}"})
    assert own.status_code == 200


def test_logins_give_tokens_of_their_own_and_earlier_ones_stay(alice: Player) -> None:
    first = alice.token
    alice.login()
    assert alice.token != first
    answer = alice.http.get(f"/users/{alice.user_id}", headers={"Authorization": f"Bearer {first}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("change", [str.upper, str.title])
def test_case_of_the_name_does_not_matter(visitor: httpx2.Client, alice: Player, change: object) -> None:
    assert callable(change)
    assert login(visitor, change(alice.username)).json()["userId"] == alice.user_id


def test_case_of_the_password_does(visitor: httpx2.Client, alice: Player) -> None:
    problem(login(visitor, alice.username, PASSWORD.upper()), 401, "wrong-credentials")


def test_unknown_name_and_a_wrong_password_get_the_same_answer(visitor: httpx2.Client, alice: Player) -> None:
    answers = [login(visitor, alice.username, "wrong password"), login(visitor, unique("nobody"), "wrong password")]
    bodies = [problem(answer, 401, "wrong-credentials") for answer in answers]
    ids = [body.pop("requestId") for body in bodies]
    assert bodies[0] == bodies[1]
    assert ids[0] != ids[1]
    known, unknown = ({**answer.headers, "x-request-id": "", "date": ""} for answer in answers)
    assert known == unknown


def test_unknown_name_costs_a_password_check_as_well(visitor: httpx2.Client, alice: Player) -> None:
    def quickest(username: str) -> float:
        return min(login(visitor, username, "wrong password").elapsed.total_seconds() for _ in range(5))

    known, unknown = quickest(alice.username), quickest(unique("nobody"))
    # A check takes tens of milliseconds, an answer without one about two: generous on a busy machine.
    assert unknown > known / 3
    assert known > unknown / 3


@pytest.mark.parametrize("password", ["", "x" * 129, "x" * 200, " " + PASSWORD, PASSWORD + " "])
def test_password_that_differs_at_all_is_wrong(visitor: httpx2.Client, alice: Player, password: str) -> None:
    problem(login(visitor, alice.username, password), 401, "wrong-credentials")


@pytest.mark.parametrize("username", ["", "' OR 1=1 --", "%", "älice", "a" * 200])
def test_name_that_nobody_can_have_is_like_an_unknown_one(visitor: httpx2.Client, username: str) -> None:
    problem(login(visitor, username), 401, "wrong-credentials")


def test_email_address_is_no_name(visitor: httpx2.Client, alice: Player) -> None:
    problem(login(visitor, f"{alice.username}@example.org"), 401, "wrong-credentials")


def test_suspended_player_is_told_only_after_the_right_password(
    visitor: httpx2.Client, stores: Stores, alice: Player
) -> None:
    assert stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=alice.user_id) == 1
    problem(login(visitor, alice.username), 403, "user-suspended")
    problem(login(visitor, alice.username, "wrong password"), 401, "wrong-credentials")


@pytest.mark.parametrize("field", ["username", "password"])
def test_missing_field_is_named(visitor: httpx2.Client, alice: Player, field: str) -> None:
    body = {"username": alice.username, "password": PASSWORD}
    del body[field]
    assert field in problem(visitor.post("/auth/login", json=body), 400)["detail"]


def test_failed_login_is_logged_without_the_password(visitor: httpx2.Client, web: Process) -> None:
    answer = login(visitor, unique("somebody"), "a password nobody logs")
    request_id = answer.headers["x-request-id"]
    (line,) = eventually(lambda: [it for it in web.output().splitlines() if request_id in it], what="its line")
    assert "auth.failed" in line
    assert "scoreboard.security" in line
    assert "a password nobody logs" not in web.output()
