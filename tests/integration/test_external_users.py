"""Users whom a trusted server brings along by its own ids: made on first sight, found and renamed afterwards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx2
import pytest

from app.domain.ids import new_id
from tests.support.keys import add_key, with_key
from tests.support.live import award
from tests.support.people import Player, set_role, unique
from tests.support.service import Process, Stores, eventually, problem


@pytest.fixture
def server(web: Process, stores: Stores) -> Iterator[httpx2.Client]:
    with with_key(web, add_key(stores, "users", "actions", name=unique("server"))) as client:
        yield client


def path(external_id: str) -> str:
    return f"/users/external/{quote(external_id, safe='')}"


def test_user_is_made_at_first_and_found_and_renamed_afterwards(server: httpx2.Client, stores: Stores) -> None:
    external_id, name = f"steam/{new_id()} é", unique("ada")
    problem(server.get(path(external_id)), 404, "not-found")
    made = server.put(path(external_id), json={"username": name, "displayName": "Ada  Lovelace"})
    assert made.status_code == 201, made.text
    user = made.json()
    assert user == {
        "userId": user["userId"],
        "externalId": external_id,
        "username": name,
        "displayName": "Ada Lovelace",
        "status": "active",
        "totalScore": 0,
        "createdAt": user["createdAt"],
    }
    assert made.headers["Location"] == f"/users/{user['userId']}"
    for again in ({}, {"username": name}, {"displayName": "Ada Lovelace"}):
        found = server.put(path(external_id), json=again)
        assert (found.status_code, found.json()) == (200, user)
    assert server.put(path(external_id)).json() == server.get(path(external_id)).json() == user
    # At once the server acts for this user.
    started = server.post(f"/users/{user['userId']}/actions", json={"status": "started"})
    assert started.status_code == 201

    other = unique("countess")
    renamed = server.put(path(external_id), json={"username": other, "displayName": None}).json()
    assert renamed == {**user, "username": other, "displayName": None}
    events = "SELECT kind, actor FROM audit_events WHERE user_id = :id ORDER BY id"
    kinds = [(row.kind, row.actor.startswith("key:server-")) for row in stores.rows(events, id=user["userId"])]
    assert kinds == [("user_created", True), ("renamed", True)]


def test_new_name_is_on_the_board_at_once(server: httpx2.Client, stores: Stores) -> None:
    external_id, name = new_id(), unique("ada")
    user = server.put(path(external_id)).json()
    award(stores, user["userId"], 1000)

    def names() -> list[tuple[str, str | None]]:
        rows = server.get("/top-scores").json()
        return [(row["username"], row.get("displayName")) for row in rows if row["userId"] == user["userId"]]

    eventually(lambda: names() == [(user["username"], None)], within=5, what="the row")
    server.put(path(external_id), json={"username": name, "displayName": "Ada"})
    eventually(lambda: names() == [(name, "Ada")], within=5, what="the row with the new names")


@pytest.mark.parametrize(
    ("external_id", "begins"),
    [("Ada-{}", "Ada-"), ("ada.{}@example.org", "ada."), ("{} Königin Ada", ""), ("王{}", ""), ("!", "player-")],
)
def test_name_that_is_not_given_resembles_the_external_id(server: httpx2.Client, external_id: str, begins: str) -> None:
    salt = unique("x")[-8:]
    made = server.put(path(external_id.format(salt)))
    assert made.status_code == 201, made.text
    username = made.json()["username"]
    assert username.startswith(begins)
    assert "@" not in username
    assert "example" not in username
    if begins != "player-":
        assert salt in username
        # Of a second one that looks the same the name has an end of its own.
        second = server.put(path(external_id.format(salt) + "@elsewhere")).json()["username"]
        assert second != username


def test_taken_names_and_bad_ids_are_refused(server: httpx2.Client, alice: Player) -> None:
    external_id = new_id()
    for _ in range(2):  # neither made nor renamed
        taken = problem(server.put(path(external_id), json={"username": alice.username.upper()}), 409, "already-taken")
        assert taken["field"] == "username"
        server.put(path(external_id), json={}).raise_for_status()
    for bad in ("", "x" * 201, "a\0b", "a\tb", "a\u202eb", "\ufffd"):
        problem(server.put(path(bad)), 400, "malformed-request")
        problem(server.get(path(bad)), 400, "malformed-request")
    problem(server.put("/users/external/%ff"), 400, "malformed-request")
    for body in ({"username": "a b"}, {"displayName": ""}, {"displayName": "x" * 33}, {"email": "a@b"}):
        problem(server.put(path(new_id()), json=body), 400, "malformed-request")
    assert server.put(path("x" * 190 + new_id()[:10])).status_code == 201
    # No more than an id may be.
    for like in ("actions", "password", "external"):
        assert server.put(path(like)).status_code in (200, 201)
        assert server.get(path(like)).json()["externalId"] == like


def test_two_requests_for_one_id_make_one_user(server: httpx2.Client, stores: Stores) -> None:
    for _ in range(3):
        external_id = new_id()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, it=external_id: server.put(path(it)), range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        assert len({answer.json()["userId"] for answer in answers}) == 1
        assert stores.value("SELECT count(*) FROM users WHERE external_id = :id", id=external_id) == 1


def test_only_a_key_with_the_scope_may(web: Process, stores: Stores, alice: Player) -> None:
    set_role(stores, alice.user_id)
    for method in ("GET", "PUT"):
        problem(alice.http.request(method, path("x")), 403, "service-key-required")
        problem(httpx2.request(method, f"{web.url}{path('x')}"), 401, "unauthorized")
        with with_key(web, add_key(stores, "actions", "admin")) as client:
            problem(client.request(method, path("x")), 403, "scope")


def test_erased_user_is_forgotten_under_the_external_id(server: httpx2.Client, web: Process, stores: Stores) -> None:
    external_id = new_id()
    user = server.put(path(external_id)).json()
    with with_key(web, add_key(stores, "admin")) as client:
        erased = client.post(f"/admin/users/{user['userId']}/erase", json={"reason": "asked for it"})
        assert erased.json()["status"] == "erased", erased.text
    problem(server.get(path(external_id)), 404, "not-found")
    problem(server.get(f"/users/{user['userId']}"), 404, "not-found")
    problem(server.post(f"/users/{user['userId']}/actions", json={"status": "started"}), 404, "not-found")
    again = server.put(path(external_id))
    assert again.status_code == 201
    assert again.json()["userId"] != user["userId"]
