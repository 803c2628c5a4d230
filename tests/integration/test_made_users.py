"""POST /admin/users: an operator makes a user, who can log in with what is on the slip."""

import re
from typing import Any

import httpx2
import pytest

from app.access.passwords import generate_password
from tests.support.keys import add_key, with_key
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Service, Stores, problem


def make(operator: Player, **body: Any) -> httpx2.Response:
    return operator.http.post("/admin/users", json=body)


def login(web: Process, username: str, password: str) -> httpx2.Response:
    return httpx2.post(f"{web.url}/auth/login", json={"username": username, "password": password}, timeout=10)


def users(stores: Stores) -> int:
    return int(stores.value("SELECT count(*) FROM users"))


def test_username_alone_is_enough_and_the_password_is_told_once(web: Process, operator: Player, stores: Stores) -> None:
    name = unique("pupil")
    answer = make(operator, username=name)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    password = answer.json()["password"]
    found = operator.http.get(f"/admin/users?query={name}").json()["items"]
    assert found == [{key: value for key, value in answer.json().items() if key != "password"}]
    assert (found[0]["email"], found[0]["role"], found[0]["status"]) == (None, "player", "active")
    assert login(web, name, password).json()["userId"] == found[0]["userId"]
    events = stores.rows(
        "SELECT kind, actor, reason, details FROM audit_events WHERE user_id = :id", id=found[0]["userId"]
    )
    assert events == [("user_created", operator.user_id, None, {"role": "player"})]
    assert password not in web.output()


def test_everything_given_is_kept_and_the_password_is_not_told(web: Process, operator: Player, stores: Stores) -> None:
    name = unique("Zoe")
    body = {
        "username": name,
        "password": PASSWORD,
        "email": f"{name}@Example.org",
        "displayName": "  Zoë   Müller ",
        "role": "admin",
        "reason": "the new teacher",
    }
    answer = make(operator, **body)
    assert answer.status_code == 201, answer.text
    assert "password" not in answer.json()
    token = login(web, name, PASSWORD).json()["accessToken"]
    assert httpx2.get(f"{web.url}/admin/flags", headers={"authorization": f"Bearer {token}"}).status_code == 200
    (row,) = stores.rows("SELECT email, display_name, role FROM users WHERE username = :name", name=name)
    assert tuple(row) == (f"{name}@example.org".lower(), "Zoë Müller", "admin")
    (event,) = stores.rows("SELECT reason, details FROM audit_events WHERE kind = 'user_created' AND reason <> ''")
    assert tuple(event) == ("the new teacher", {"role": "admin"})


def test_what_is_taken_is_refused_by_its_field(operator: Player, alice: Player, stores: Stores) -> None:
    before = users(stores)
    taken = {"username": {"username": alice.username.upper()}, "email": {"username": unique("other")}}
    for field, body in taken.items():
        answer = make(operator, **body, email=f"{alice.username}@example.org")
        assert problem(answer, 409, "already-taken")["field"] == field
    assert users(stores) == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "ab"},
        {"username": "<b>abc"},
        {"username": "somebody", "password": "short"},
        {"username": "somebody", "password": ""},
        {"username": "somebody", "email": ""},
        {"username": "somebody", "email": "x"},
        {"username": "somebody", "displayName": ""},
        {"username": "somebody", "displayName": "x" * 33},
        {"username": "somebody", "role": "king"},
        {"username": "somebody", "surplus": 1},
        {"username": "somebody", "reason": "x" * 501},
    ],
)
def test_malformed_is_refused(operator: Player, stores: Stores, body: dict[str, Any]) -> None:
    before = users(stores)
    problem(make(operator, **body), 400)
    assert users(stores) == before


def test_blocked_name_is_refused(service: Service, stores: Stores, operator: Player, tmp_path: Any) -> None:
    blocked = tmp_path / "blocked.txt"
    blocked.write_text("rudeword\n")
    web = service.web(BLOCKED_NAMES_FILE=str(blocked))
    for body in ({"username": "rudeword"}, {"username": unique("x"), "displayName": "Rude Word rudeword"}):
        problem(operator.http.post(f"{web.url}/admin/users", json=body), 400, "blocked-name")


def test_players_and_strangers_make_nobody(web: Process, alice: Player, stores: Stores) -> None:
    before = users(stores)
    body = {"username": unique("friend")}
    problem(alice.http.post("/admin/users", json=body), 403, "forbidden")
    problem(httpx2.post(f"{web.url}/admin/users", json=body, timeout=10), 401, "unauthorized")
    assert users(stores) == before


def test_generated_passwords_are_read_without_mistakes() -> None:
    made = {generate_password() for _ in range(1000)}
    assert len(made) == 1000
    for password in made:
        assert re.fullmatch(r"[b-df-hj-km-np-tv-z2-9]{4}(-[b-df-hj-km-np-tv-z2-9]{4}){2}", password)
        assert not set(password) & set("01ilo")


def test_service_key_makes_players_but_nobody_above_itself(web: Process, operator: Player, stores: Stores) -> None:
    name = unique("imported")
    with with_key(web, add_key(stores, "admin", name="school")) as key:
        made = key.post("/admin/users", json={"username": name})
        assert made.status_code == 201, made.text
        user_id = made.json()["userId"]
        assert key.post(f"/admin/users/{user_id}/reset").status_code == 200
        problem(key.post("/admin/users", json={"username": unique("king"), "role": "admin"}), 403, "forbidden")
        problem(key.post(f"/admin/users/{operator.user_id}/reset"), 403, "forbidden")
    events = stores.rows("SELECT kind, actor FROM audit_events WHERE actor = 'key:school' AND user_id IS NOT NULL")
    assert events == [("user_created", "key:school"), ("reset_created", "key:school")]
    links = "SELECT count(*) FROM password_resets WHERE user_id = :id"
    assert stores.value(links, id=operator.user_id) == 0
    with with_key(web, add_key(stores, "users", "actions")) as key:
        problem(key.post("/admin/users", json={"username": unique("friend")}), 403)
