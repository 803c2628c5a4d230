"""Tokens of other issuers: taken wherever ours are, once every part of them was checked."""

import json
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from app.access import issuer_keys
from app.live.close_codes import CloseCode
from tests.support.issuer import Issuer, Key
from tests.support.live import in_process
from tests.support.people import PASSWORD, Player, suspend, unique
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.sockets import code_of, listening, message, refusal
from tests.support.tokens import authorization

HTTP = httpx2.Client(timeout=10)
"""One for all requests: to make one takes as long as a hundred of them."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def file(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("issuers") / "issuers.toml"
    return issuer.file(path, display_name_claim="name", admin_claim="realm_access.roles", admin_value="operators")


@pytest.fixture(scope="module")
def web(service: Service, file: str) -> Process:
    """A web process that takes the tokens of an issuer."""
    return service.web(ISSUERS_FILE=file)


@pytest.fixture(scope="module")
def other(service: Service, file: str) -> Process:
    """A second one on the same stores."""
    return service.web(ISSUERS_FILE=file, TOP_SCORES_AUTH="required")


def ask(process: Process, token: str, method: str = "GET", path: str = "/users/me", **more: Any) -> httpx2.Response:
    return HTTP.request(method, process.url + path, headers=authorization(token), **more)


def own_id(process: Process, token: str) -> str:
    answer = ask(process, token)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["userId"])


def users(stores: Stores, username: str) -> list[Any]:
    return stores.rows("SELECT username FROM users WHERE username LIKE :name ORDER BY username", name=f"{username}%")


def test_first_sight_makes_the_user_and_the_token_is_taken_everywhere(
    web: Process, other: Process, issuer: Issuer, stores: Stores
) -> None:
    name = unique("ada")
    token = issuer.token(unique("sub"), preferred_username=f"{name}@example.com", name="Ada  Lovelace")
    shown = ask(web, token).json()
    assert (shown["username"], shown["email"], shown["role"]) == (name, None, "player")
    user_id = shown["userId"]
    assert stores.value("SELECT display_name FROM users WHERE id = :id", id=user_id) == "Ada Lovelace"
    events = stores.rows("SELECT kind, actor FROM audit_events WHERE user_id = :id", id=user_id)
    assert events == [("user_created", "issuer:example")]

    started = ask(web, token, "POST", "/users/me/actions", json={"status": "started"})
    assert started.status_code == 201
    action = started.json()
    assert started.headers["location"] == f"/users/{user_id}/actions/{action['actionId']}"
    assert action["userId"] == user_id
    for owner in ("me", user_id):
        path = f"/users/{owner}/actions/{action['actionId']}"
        assert ask(other, token, "GET", path).json()["actionId"] == action["actionId"]
    ended = ask(other, token, "PUT", f"/users/me/actions/{action['actionId']}", json={"status": "completed"})
    assert (ended.status_code, ended.json()["userId"], ended.json()["totalScore"]) == (200, user_id, 10)
    assert len(ask(web, token, "GET", "/users/me/actions").json()["items"]) == 1

    problem(httpx2.get(f"{other.url}/top-scores"), 401)
    assert ask(other, token, "GET", "/top-scores").status_code == 200
    with (
        listening(web, token) as by_header,
        listening(web, path=f"/ws?token={token}") as by_query,
        listening(other, subprotocols=["scoreboard.v1", f"bearer.{token}"]) as by_protocol,
    ):
        for websocket in (by_header, by_query, by_protocol):
            assert message(websocket)["type"] == "top_scores_update"
    problem(ask(web, token, "GET", "/admin/flags"), 403, "forbidden")
    assert token not in web.output() + other.output()


def test_me_is_the_tokens_own_user_also_with_ours(web: Process, alice: Player) -> None:
    assert alice.http.get("/users/me").json()["userId"] == alice.user_id
    started = alice.http.post("/users/me/actions", json={"status": "started"})
    assert started.headers["location"].startswith(f"/users/{alice.user_id}/actions/")
    problem(alice.http.get("/users/Me"), 403)
    problem(httpx2.get(f"{web.url}/users/me"), 401)
    body = {"currentPassword": PASSWORD, "newPassword": PASSWORD + "!"}
    changed = alice.http.post("/users/me/password", json=body)
    assert changed.json()["userId"] == alice.user_id
    gone = httpx2.request(
        "DELETE",
        f"{web.url}/users/me",
        json={"password": PASSWORD + "!"},
        headers=authorization(changed.json()["accessToken"]),
    )
    assert gone.status_code == 204


def test_crowd_of_first_sights_makes_one_user(web: Process, other: Process, issuer: Issuer, stores: Stores) -> None:
    name = unique("crowd")
    subject = unique("sub")
    tokens = [issuer.token(subject, preferred_username=name, jti=str(number)) for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        ids = set(pool.map(lambda it: own_id((web, other)[it[0] % 2], it[1]), enumerate(tokens)))
    assert len(ids) == 1
    assert users(stores, name) == [(name,)]


def test_usernames_are_made_fit_and_unique(web: Process, issuer: Issuer, stores: Stores) -> None:
    name = unique("eve")
    for expected in (name, f"{name}-[0-9a-f]{{6}}", f"{name}-[0-9a-f]{{6}}"):
        token = issuer.token(unique("sub"), preferred_username=name, name="\u202eevil")
        assert re.fullmatch(expected, ask(web, token).json()["username"])
    named = "SELECT count(*) FROM users WHERE username LIKE :name AND display_name IS NOT NULL"
    assert stores.value(named, name=f"{name}%") == 0, "a name that is not allowed is ignored"
    assert ask(web, issuer.token(unique("sub"), preferred_username=7)).json()["username"].startswith("player")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another audience": ({"aud": "elsewhere"}, "audience"),
    "other audiences": ({"aud": ["elsewhere", "scoreboard-two"]}, "audience"),
    "part of the audience": ({"aud": "score"}, "audience"),
    "no audience": ({"aud": None}, "form"),
    "another issuer": ({"iss": "http://127.0.0.1:1"}, "issuer"),
    "the issuer with a slash": ({"iss": "/"}, "issuer"),
    "ours": ({"iss": "scoreboard"}, "issuer"),
    "expired": ({"exp": int(time.time()) - 1}, "expired"),
    "no end": ({"exp": None}, "form"),
    "no beginning": ({"iat": None}, "form"),
    "too long a life": ({"exp": int(time.time()) + 3600 * 24 * 31}, "lifetime"),
    "for ever": ({"exp": float("inf")}, "issuer"),
    "from the future": ({"iat": int(time.time()) + 3600, "exp": int(time.time()) + 7200}, "not yet"),
    "not yet": ({"nbf": int(time.time()) + 3600}, "not yet"),
    "no subject": ({"sub": None}, "form"),
    "an empty subject": ({"sub": ""}, "form"),
    "a subject with NUL": ({"sub": "a\0b"}, "form"),
    "a subject too long": ({"sub": "x" * 256}, "form"),
    "a token for logging out": ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "form"),
    "the type of one": ({"header": {"typ": "logout+jwt"}}, "algorithm"),
    "a claim that is critical": ({"header": {"crit": ["exp"]}}, "form"),
    "too long": ({"more": "x" * 8192}, "issuer"),
}


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED)
def test_token_that_is_not_right_is_refused(
    web: Process, issuer: Issuer, stores: Stores, changes: dict[str, Any], reason: str
) -> None:
    before, logged = stores.value("SELECT count(*) FROM users"), len(web.output())
    token = issuer.token("mallory", **changes)
    problem(ask(web, token), 401, "unauthorized")
    if len(token) < 8192:
        assert refusal(web, token).status == 401
    assert stores.value("SELECT count(*) FROM users") == before
    # A thread writes the log: a line may come after the answer.
    said = re.compile(rf"auth\.failed .*reason='?{reason}\b")
    eventually(lambda: said.search(web.output()[logged:]), what="the event")
    assert token not in web.output()[logged:]


@pytest.mark.parametrize("alg", ["none", "HS256", "HS384", "HS512", "RS256"])
def test_algorithm_confused_with_another_is_refused(web: Process, issuer: Issuer, alg: str) -> None:
    """An HMAC with the public key, which everybody has, under whatever name; and no signature at all."""
    token = issuer.confused("mallory", alg)
    problem(ask(web, token), 401, "unauthorized")
    assert refusal(web, token).status == 401


def test_algorithm_that_the_issuer_is_not_known_for_is_refused(web: Process, issuer: Issuer) -> None:
    """Its own key would do for it."""
    headers = {"kid": issuer.key.kid}
    for alg, status in (("RS256", 200), ("PS256", 401), ("RS512", 401)):
        token = jwt.encode(issuer.claims(unique("sub")), issuer.key.private, alg, headers=headers)
        assert ask(web, token).status_code == status


def test_key_of_somebody_else_is_refused(web: Process, issuer: Issuer) -> None:
    problem(ask(web, issuer.token("mallory", key=Key(issuer.key.kid))), 401, "unauthorized")
    header = {"jwk": Key().jwk, "jku": f"{issuer.url}/mine"}
    problem(ask(web, issuer.token("mallory", key=Key(issuer.key.kid), header=header)), 401, "unauthorized")
    assert issuer.asked["/mine"] == 0


def test_audience_in_a_list_and_a_token_of_another_type_are_taken(web: Process, issuer: Issuer) -> None:
    assert own_id(web, issuer.token(unique("sub"), aud=["https://api", "scoreboard"], header={"typ": "at+jwt"}))
    nameless = jwt.encode(issuer.claims(unique("sub")), issuer.key.private, "RS256")
    assert own_id(web, nameless), "the only key"


def test_rotated_key_is_fetched_once_for_all_and_invented_ones_ask_no_more(
    service: Service, issuer: Issuer, file: str
) -> None:
    fresh = service.web(ISSUERS_FILE=file)
    old = issuer.token(unique("sub"))
    assert own_id(fresh, old)
    asked = issuer.asked["/keys"]
    issuer.rotate()
    new = [issuer.token(unique("sub")) for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(lambda token: own_id(fresh, token), new))
        assert issuer.asked["/keys"] == asked + 1
        flood = [issuer.token("mallory", header={"kid": f"invented-{number}"}) for number in range(200)]
        statuses = set(pool.map(lambda token: ask(fresh, token).status_code, flood))
    assert statuses == {401}
    assert issuer.asked["/keys"] == asked + 1
    assert own_id(fresh, old)
    assert own_id(fresh, new[0])
    fresh.stop()


def test_last_good_keys_serve_through_an_outage_and_a_start_within_it_recovers(
    service: Service, web: Process, issuer: Issuer, file: str
) -> None:
    known = issuer.token(unique("sub"), key=issuer.published[-1])
    assert own_id(web, known)
    issuer.away = True
    try:
        for token in (known, issuer.token(unique("sub"), key=issuer.published[-1])):
            assert own_id(web, token)
        fresh = service.web(ISSUERS_FILE=file)
        answer = ask(fresh, known)
        problem(answer, 503, "issuer-unavailable")
        assert "retry-after" in answer.headers
        assert refusal(fresh, known).status == 503
        assert httpx2.get(f"{fresh.url}/readyz").status_code == 200, "ours go on"
        eventually(lambda: "issuer.unreachable" in fresh.output(), what="the event")
        assert 'issuer_unreachable{issuer="example"} 1.0' in httpx2.get(f"{fresh.url}/metrics").text
    finally:
        issuer.away = False
    eventually(lambda: ask(fresh, known).status_code == 200, what="the recovery")
    assert 'issuer_unreachable{issuer="example"} 0.0' in httpx2.get(f"{fresh.url}/metrics").text
    fresh.stop()


def test_withdrawn_key_ends_the_tokens_that_it_signed(
    issuer: Issuer, stores: Stores, file: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "REFRESH_EVERY", 0.05)
    with in_process(stores, caplog, ISSUERS_FILE=file) as server:
        url = f"http://127.0.0.1:{server.port}/users/me"
        token = issuer.token(unique("sub"))

        def status() -> int:
            return httpx2.get(url, headers=authorization(token)).status_code

        assert status() == 200
        issuer.rotate(keep=False)
        eventually(lambda: status() == 401, within=5, what="its end")


def test_logout_ends_what_was_issued_before_it(web: Process, other: Process, issuer: Issuer) -> None:
    subject = unique("sub")
    before, unseen = issuer.token(subject), issuer.token(subject, jti="unseen")
    user_id = own_id(web, before)
    assert own_id(other, before) == user_id
    problem(ask(web, before, "POST", "/auth/refresh"), 403, "foreign-token")
    with listening(web, before) as here, listening(other, before) as there:
        for websocket in (here, there):
            message(websocket)
        assert ask(web, before, "POST", "/auth/logout").status_code == 204
        for websocket in (here, there):
            assert code_of(websocket, within=5) == CloseCode.TOKEN_OVER
    for process in (web, other):
        for token in (before, unseen):
            problem(ask(process, token, "POST", "/users/me/actions", json={"status": "started"}), 401)
            problem(ask(process, token), 401)
    time.sleep(1.1 - time.time() % 1)  # tokens are issued in whole seconds
    after = issuer.token(subject)
    for process in (web, other):
        started = ask(process, after, "POST", "/users/me/actions", json={"status": "started"})
        assert (started.status_code, started.json()["userId"]) == (201, user_id)
        problem(ask(process, before), 401)


def test_logout_ends_its_own_token_whatever_the_issuers_clock_says(web: Process, issuer: Issuer) -> None:
    ahead = issuer.token(unique("sub"), iat=int(time.time()) + 4)
    assert ask(web, ahead, "POST", "/auth/logout").status_code == 204
    problem(ask(web, ahead), 401)
    problem(ask(web, ahead, "POST", "/users/me/actions", json={"status": "started"}), 401)


def test_write_with_a_token_that_was_ended_elsewhere_is_refused_at_once(
    web: Process, other: Process, issuer: Issuer
) -> None:
    token = issuer.token(unique("sub"))
    own_id(other, token)
    assert ask(web, token, "POST", "/auth/logout").status_code == 204
    problem(ask(other, token, "POST", "/users/me/actions", json={"status": "started"}), 401)


def test_socket_closes_when_its_token_expires(web: Process, issuer: Issuer) -> None:
    token = issuer.token(unique("sub"), exp=int(time.time()) + 2)
    with listening(web, token) as websocket:
        message(websocket)
        assert code_of(websocket, within=4) == CloseCode.TOKEN_OVER
    problem(ask(web, token), 401)


def test_suspension_works_at_once(web: Process, issuer: Issuer, stores: Stores) -> None:
    token = issuer.token(unique("sub"))
    user_id = own_id(web, token)
    with listening(web, token) as websocket:
        message(websocket)
        suspend(stores, user_id)  # type: ignore[arg-type]
        problem(ask(web, token, "POST", "/users/me/actions", json={"status": "started"}), 403, "user-suspended")
        assert code_of(websocket, within=5) == CloseCode.SUSPENDED


def test_admin_claim_makes_and_unmakes_an_operator(
    web: Process, other: Process, issuer: Issuer, operator: Player, stores: Stores
) -> None:
    subject, now = unique("sub"), int(time.time())
    staff: Any = {"realm_access": {"roles": ["staff", "operators"]}}
    granted = issuer.token(subject, iat=now - 20, **staff)
    user_id = own_id(web, granted)
    assert ask(web, granted, "GET", "/admin/flags").status_code == 200
    late = issuer.token(subject, iat=now - 15, **staff)
    withdrawn = issuer.token(subject, iat=now - 10, realm_access={"roles": ["staff"]})
    problem(ask(web, withdrawn, "GET", "/admin/flags"), 403, "forbidden")
    problem(ask(other, late, "GET", "/admin/flags"), 403, "forbidden")
    problem(ask(web, granted, "GET", "/admin/flags"), 403, "forbidden")
    kinds = (
        "SELECT kind, details->>'role' FROM audit_events WHERE user_id = :id AND actor = 'issuer:example' ORDER BY id"
    )
    assert stores.rows(kinds, id=user_id) == [
        ("user_created", "admin"),
        ("role_changed", "player"),
    ]
    for value in ("operators", ["x"], {"operators": True}, None):
        token = issuer.token(unique("sub"), realm_access={"roles": value})
        assert ask(web, token, "GET", "/admin/flags").status_code == (200 if value == "operators" else 403)


def test_last_admin_stays_one_when_the_claim_goes(web: Process, issuer: Issuer, stores: Stores) -> None:
    stores.execute("UPDATE users SET role = 'player'")
    subject, now = unique("sub"), int(time.time())
    user_id = own_id(web, issuer.token(subject, iat=now - 20, realm_access={"roles": ["operators"]}))
    assert ask(web, issuer.token(subject, iat=now - 10), "GET", "/admin/flags").status_code == 200
    eventually(lambda: f"admin.kept userId={user_id}" in web.output(), what="the event")


def test_erased_person_who_comes_back_is_a_new_user(
    web: Process, other: Process, issuer: Issuer, operator: Player, stores: Stores
) -> None:
    subject, name = unique("sub"), unique("gone")
    token = issuer.token(subject, preferred_username=name)
    unseen = issuer.token(subject, preferred_username=name, jti="unseen")
    user_id = own_id(web, token)
    erased = operator.http.post(f"/admin/users/{user_id}/erase", json={"reason": "asked for it"})
    assert erased.status_code == 200
    assert stores.rows("SELECT 1 FROM identities WHERE subject = :subject", subject=subject) == []
    for process in (web, other):
        for old in (token, unseen):
            problem(ask(process, old), 401)
    assert users(stores, name) == []
    time.sleep(1.1 - time.time() % 1)  # tokens are issued in whole seconds
    again = issuer.token(subject, preferred_username=name)
    fresh_id = own_id(web, again)
    assert fresh_id != user_id
    assert own_id(other, again) == fresh_id
    assert users(stores, name) == [(name,)]


def test_who_has_no_password_erases_the_account_by_a_token_of_just_now(
    web: Process, issuer: Issuer, alice: Player
) -> None:
    subject = unique("sub")
    old = issuer.token(subject, iat=int(time.time()) - 700)
    user_id = own_id(web, old)
    problem(ask(web, old, "DELETE", json={}), 403, "sign-in-again")
    problem(ask(web, old, "DELETE", json={"password": "guessed"}), 403, "wrong-password")
    fresh = issuer.token(subject)
    assert own_id(web, fresh) == user_id
    assert ask(web, fresh, "DELETE", json={}).status_code == 204
    problem(ask(web, fresh), 401)
    problem(alice.http.request("DELETE", "/users/me", json={}), 400, "malformed-request")


def test_sign_ins_are_listed_for_pages_and_their_policy_allows_them(
    service: Service, issuer: Issuer, tmp_path: Path
) -> None:
    parameters = {"resource": "https://board.example.com"}
    path = tmp_path / "issuers.toml"
    issuer.file(path, client_id="page")
    path.write_text(path.read_text() + f"\nparameters = {{ resource = {json.dumps(parameters['resource'])} }}")
    fresh = service.web(ISSUERS_FILE=str(path))
    items = eventually(lambda: httpx2.get(f"{fresh.url}/auth/issuers").json()["items"], what="the discovery")
    assert items == [
        {
            "id": "example",
            "title": "Example Ltd",
            "issuer": issuer.url,
            "clientId": "page",
            "audience": "scoreboard",
            "scope": "openid profile",
            "authorizationEndpoint": f"{issuer.url}/authorize",
            "tokenEndpoint": f"{issuer.url}/token",
            "parameters": parameters,
        }
    ]
    for page in ("/", "/operator"):
        policy = httpx2.get(fresh.url + page).headers["content-security-policy"]
        assert f"connect-src 'self' ws: wss: {issuer.url};" in policy
    fresh.stop()


def test_sign_ins_are_none_without_a_client(web: Process, issuer: Issuer) -> None:
    assert httpx2.get(f"{web.url}/auth/issuers").json() == {"items": []}
    assert issuer.url not in httpx2.get(web.url).headers["content-security-policy"]


def test_password_login_off_closes_our_own_door_but_not_the_shells(
    service: Service, issuer: Issuer, file: str, alice: Player, stores: Stores
) -> None:
    closed = service.web(ISSUERS_FILE=file, PASSWORD_LOGIN="off")
    name = unique("nobody")
    own = {"username": alice.username, "password": PASSWORD}
    passwords = {"currentPassword": PASSWORD, "newPassword": PASSWORD + "!"}
    for path, body in (
        ("/auth/register", {"username": name, "password": PASSWORD}),
        ("/auth/login", own),
        ("/auth/login", {"username": name, "password": "wrong"}),
        ("/auth/refresh", None),
        ("/auth/reset", {"token": "x", "password": PASSWORD}),
        (f"/users/{alice.user_id}/password", passwords),
    ):
        problem(alice.http.post(closed.url + path, json=body), 403, "password-login-off")
    assert users(stores, name) == []
    about = httpx2.get(f"{closed.url}/about").json()
    assert (about["passwordLogin"], about["registration"]) == (False, "closed")
    assert about["issuers"] == [{"id": "example", "title": "Example Ltd"}]
    assert own_id(closed, issuer.token(unique("sub")))
    done = stores.run(sys.executable, "-m", "app.cli", "create-admin", name, PASSWORD=PASSWORD, PASSWORD_LOGIN="off")
    assert done.returncode == 0, done.stderr
    closed.stop()
