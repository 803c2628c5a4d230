"""What a trusted server may do by its key, and what it may not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx2
import pytest

from app.domain.service_keys import KeyScope
from app.live.close_codes import CloseCode
from tests.support.keys import add_key, revoke_key, with_key
from tests.support.people import PASSWORD, Player, set_role, suspend, unique
from tests.support.service import NOBODY, Process, Service, Stores, eventually, problem
from tests.support.sockets import code_of, listening, message, refusal

COMPLETED = {"status": "completed"}
STARTED = {"status": "started"}
FIRST_KEY = "SELECT id::text FROM service_keys ORDER BY id LIMIT 1"


@pytest.fixture
def server(web: Process, stores: Stores) -> Iterator[httpx2.Client]:
    """A team's server with a key for actions and users."""
    with with_key(web, add_key(stores, "actions", "users", name=unique("server"))) as client:
        yield client


def test_key_starts_ends_and_reads_any_players_actions(
    server: httpx2.Client, web: Process, alice: Player, stores: Stores
) -> None:
    path = f"/users/{alice.user_id}/actions"
    started = server.post(path, json=STARTED)
    assert started.status_code == 201, started.text
    action = f"{path}/{started.json()['actionId']}"
    ended = server.put(action, json=COMPLETED)
    assert (ended.status_code, ended.json()["awardedPoints"]) == (200, 10)
    assert problem(server.put(action, json=COMPLETED), 409, "action-completed")["action"]["score"] == 10
    assert server.get(action).json()["status"] == "completed"
    assert [it["actionId"] for it in server.get(path).json()["items"]] == [started.json()["actionId"]]
    assert server.get(f"/users/{alice.user_id}").json()["totalScore"] == 10
    # A server's address is no player's.
    assert stores.value("SELECT client_ip FROM actions WHERE id = :id", id=started.json()["actionId"]) is None
    (line,) = [it for it in web.output().splitlines() if "action.completed" in it and alice.user_id in it]
    assert f"keyId={stores.value(FIRST_KEY)}" in line
    # The player goes on as before.
    alice.score()


def test_key_is_told_what_is_wrong_with_a_users_path(server: httpx2.Client, alice: Player, stores: Stores) -> None:
    for nobody in (NOBODY, "no-uuid"):
        problem(server.post(f"/users/{nobody}/actions", json=STARTED), 404, "not-found")
        problem(server.put(f"/users/{nobody}/actions/{NOBODY}", json=COMPLETED), 404, "not-found")
        problem(server.get(f"/users/{nobody}/actions"), 404, "not-found")
        problem(server.get(f"/users/{nobody}"), 404, "not-found")
    problem(server.put(f"/users/{alice.user_id}/actions/{NOBODY}", json=COMPLETED), 404, "not-found")
    action_id = alice.started()
    suspend(stores, alice.user_id)  # type: ignore[arg-type]
    problem(server.post(f"/users/{alice.user_id}/actions", json=STARTED), 403, "user-suspended")
    problem(server.put(f"/users/{alice.user_id}/actions/{action_id}", json=COMPLETED), 403, "user-suspended")


CALLS: list[tuple[KeyScope, str, str]] = [
    ("actions", "POST", "/users/{}/actions"),
    ("actions", "PUT", "/users/{}/actions/" + NOBODY),
    ("actions", "GET", "/users/{}/actions"),
    ("actions", "GET", "/users/{}/actions/" + NOBODY),
    ("users", "GET", "/users/{}"),
    ("admin", "GET", "/admin/users"),
    ("admin", "PUT", "/admin/flags/broadcast"),
    ("admin", "POST", "/admin/users/{}/suspend"),
]


def test_key_does_nothing_beyond_its_scopes(web: Process, stores: Stores, alice: Player) -> None:
    keys: dict[KeyScope, httpx2.Client] = {
        scope: with_key(web, add_key(stores, scope)) for scope in ("actions", "users", "admin")
    }
    for needed, method, path in CALLS:
        for scope, client in keys.items():
            answer = client.request(method, path.format(alice.user_id), content=b"?")
            if scope == needed:
                assert answer.json().get("code") != "scope", (scope, path)
            else:
                assert needed in problem(answer, 403, "scope")["detail"]
    for client in keys.values():
        problem(client.post("/auth/refresh"), 403, "forbidden")
        problem(client.post("/auth/logout"), 403, "forbidden")
        problem(client.post(f"/users/{alice.user_id}/password", json={}), 403, "forbidden")
        problem(client.request("DELETE", f"/users/{alice.user_id}", json={"password": PASSWORD}), 403, "forbidden")
        problem(client.get("/admin/keys"), 403, "forbidden")
        problem(client.post("/admin/keys", json={"name": "more", "scopes": ["admin"]}), 403, "forbidden")
        problem(client.delete(f"/admin/keys/{NOBODY}"), 403, "forbidden")
        client.close()


def _refused(client: httpx2.Client, path: str) -> bool:
    return client.get(path).status_code == 401


def test_wrong_revoked_and_expired_keys_are_no_keys(
    web: Process, service: Service, stores: Stores, alice: Player
) -> None:
    second = service.web()
    name = unique("server")
    good = add_key(stores, "actions", name=name)
    soon = add_key(stores, "actions", expires_at=datetime.now(UTC) + timedelta(seconds=2))
    path = f"/users/{alice.user_id}/actions"
    with with_key(web, good) as here, with_key(second, good) as there, with_key(second, soon) as brief:
        for client in (here, there, brief):
            assert client.get(path).status_code == 200
        for wrong in ("sbk_", good[:-1], good + "A", good.swapcase(), f"sbk_{'A' * 43}"):
            with with_key(web, wrong) as client:
                problem(client.get(path), 401, "unauthorized")
                problem(client.post("/auth/logout"), 401, "unauthorized")
        revoke_key(stores, name)
        for client in (here, there, brief):
            eventually(partial(_refused, client, path), within=5, what="the refusal")
            problem(client.post(path, json=STARTED), 401, "unauthorized")


def test_change_by_a_key_carries_its_name(web: Process, stores: Stores, alice: Player) -> None:
    name = unique("ops")
    with with_key(web, add_key(stores, "admin", name=name)) as client:
        suspended = client.post(f"/admin/users/{alice.user_id}/suspend", json={"reason": "a test"})
        assert (suspended.status_code, suspended.json()["status"]) == (200, "suspended")
        actor = stores.value(
            "SELECT actor FROM audit_events WHERE user_id = :id AND kind = 'suspended'", id=alice.user_id
        )
        assert actor == f"key:{name}"
        # Revoked, it changes nothing more, whatever this process has heard of it.
        stores.execute("UPDATE service_keys SET revoked_at = now() WHERE name = :name", name=name)
        problem(client.post(f"/admin/users/{alice.user_id}/reinstate", json={}), 401, "unauthorized")


def test_limit_of_a_key_stands_in_for_all_others(service: Service, stores: Stores, alice: Player) -> None:
    limited = service.web(RATE_LIMIT_KEY="3/hour", RATE_LIMIT_CREATE="1/hour", RATE_LIMIT_IP="4/hour")
    path = f"/users/{alice.user_id}/actions"
    with (
        with_key(limited, add_key(stores, "actions")) as client,
        with_key(limited, add_key(stores, "actions")) as other,
    ):
        for left in (2, 1, 0):
            answer = client.post(path, json=STARTED)
            assert answer.status_code == 201
            assert answer.headers["RateLimit-Policy"] == '"key";q=3;w=3600'
            assert answer.headers["RateLimit"].startswith(f'"key";r={left};')
        assert problem(client.get(path), 429, "rate-limited")["policy"] == "key"
        assert other.post(path, json=STARTED).status_code == 201
    # Guesses cost what an address has for writes.
    answers = [httpx2.get(f"{limited.url}{path}", headers={"authorization": f"Bearer sbk_{n}"}) for n in range(5)]
    assert [answer.status_code for answer in answers].count(401) >= 2
    assert problem(answers[-1], 429, "rate-limited")["policy"] == "ip"


def test_operator_makes_lists_and_revokes_keys(web: Process, stores: Stores, alice: Player, bob: Player) -> None:
    problem(bob.http.get("/admin/keys"), 403, "forbidden")
    set_role(stores, alice.user_id)
    http, name = alice.http, unique("game")
    wanted = {"name": name, "scopes": ["actions"], "expiresAt": "2099-01-01T00:00:00Z", "reason": "laps"}
    made = http.post("/admin/keys", json=wanted)
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    body = made.json()
    key = body.pop("key")
    assert key.startswith("sbk_")
    assert len(key) == 47
    assert body == {
        "id": body["id"],
        "name": name,
        "scopes": ["actions"],
        "expiresAt": "2099-01-01T00:00:00Z",
        "createdAt": body["createdAt"],
        "createdBy": alice.user_id,
        "lastUsedAt": None,
    }
    again = {"name": name, "scopes": ["users"]}
    problem(http.post("/admin/keys", json=again), 409, "already-taken")
    for wrong in (
        {"name": name, "scopes": []},
        {"name": "", "scopes": ["users"]},
        {"name": "a b", "scopes": ["users"]},
        {"name": unique("x"), "scopes": ["users", "users"]},
        {"name": unique("x"), "scopes": ["root"]},
        {"name": unique("x"), "scopes": ["users"], "expiresAt": "2020-01-01T00:00:00Z"},
        {"name": unique("x"), "scopes": ["users"], "expiresAt": "2020-01-01T00:00:00+23:42"},
        {"name": unique("x"), "scopes": ["users"], "expiresAt": "0001-01-01T00:00:00+12:00"},
        {"name": unique("x"), "scopes": ["users"], "expiresAt": "2099-01-01T00:00:00"},
    ):
        problem(http.post("/admin/keys", json=wrong), 400, "malformed-request")

    with with_key(web, key) as client:
        assert client.get(f"/users/{alice.user_id}/actions").status_code == 200
        first = eventually(lambda: http.get("/admin/keys").json()["items"][0]["lastUsedAt"], what="the last use")
        assert client.get(f"/users/{alice.user_id}/actions").status_code == 200
        page = http.get("/admin/keys?limit=1").json()
        assert page["items"] == [{**body, "lastUsedAt": first}]
        ended = http.request("DELETE", f"/admin/keys/{body['id']}", json={"reason": "it leaked"})
        assert (ended.status_code, ended.content) == (204, b"")
        problem(client.get(f"/users/{alice.user_id}/actions"), 401, "unauthorized")
    problem(http.delete(f"/admin/keys/{body['id']}"), 404, "not-found")
    problem(http.delete("/admin/keys/no-uuid"), 404, "not-found")
    assert name not in [it["name"] for it in http.get("/admin/keys").json()["items"]]
    # The name is free again.
    assert http.post("/admin/keys", json=again).status_code == 201
    events = stores.rows(
        "SELECT kind, actor, reason FROM audit_events WHERE details->>'name' = :name ORDER BY id", name=name
    )
    assert [tuple(row) for row in events] == [
        ("key_created", alice.user_id, "laps"),
        ("key_revoked", alice.user_id, "it leaked"),
        ("key_created", alice.user_id, None),
    ]
    assert key not in str(stores.rows("SELECT * FROM audit_events"))


def test_key_reads_the_board_and_listens_until_it_is_revoked(service: Service, stores: Stores) -> None:
    web = service.web(TOP_SCORES_AUTH="required", WS_MAX_PER_USER="2")
    name = unique("screen")
    key = add_key(stores, "users", name=name)
    soon = add_key(stores, "users", expires_at=datetime.now(UTC) + timedelta(seconds=4))
    with with_key(web, key) as client:
        assert client.get("/top-scores").status_code == 200
    assert httpx2.get(f"{web.url}/top-scores").status_code == 401
    with with_key(web, f"sbk_{'A' * 43}") as client:
        problem(client.get("/top-scores"), 401, "unauthorized")
    assert refusal(web, f"sbk_{'A' * 43}").status == 401
    assert refusal(web, key, path="/ws?me=1").status == 403
    with (
        listening(web, subprotocols=["scoreboard.v1", f"bearer.{key}"]) as one,
        listening(web, path=f"/ws?token={key}") as two,
        listening(web, soon) as brief,
    ):
        for websocket in (one, two, brief):
            assert message(websocket)["type"] == "top_scores_update"
        assert refusal(web, key).status == 429
        revoke_key(stores, name)
        for websocket in (one, two, brief):
            assert code_of(websocket, within=5) == CloseCode.TOKEN_OVER
    assert refusal(web, key).status == 401
