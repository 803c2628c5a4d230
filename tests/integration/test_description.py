"""/openapi.json and /asyncapi.json: valid, complete, and what the service really answers."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.description.openapi import public
from app.description.operations import OPERATIONS
from app.router import API
from config.version import VERSION
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Service
from tests.support.sockets import listening, message


@pytest.fixture(scope="module")
def rest(web: Process) -> dict[str, Any]:
    return dict(httpx2.get(f"{web.url}/openapi.json", timeout=10).json())


@pytest.fixture(scope="module")
def live(web: Process) -> dict[str, Any]:
    return dict(httpx2.get(f"{web.url}/asyncapi.json", timeout=10).json())


def follow(schema: Any, root: dict[str, Any]) -> Any:
    """Put what references name in their place."""
    if isinstance(schema, list):
        return [follow(it, root) for it in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found: Any = root
        for key in schema["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        return follow(found, root)
    return {key: follow(it, root) for key, it in schema.items()}


class Described:
    """Holds each answer against the description."""

    def __init__(self, rest: dict[str, Any]) -> None:
        self.rest = rest
        self.seen: set[tuple[str, str, str]] = set()

    def check(self, path: str, answer: httpx2.Response) -> httpx2.Response:
        """Assert that an answer's status, form and headers are described."""
        method, status = answer.request.method.lower(), str(answer.status_code)
        responses = self.rest["paths"][path][method]["responses"]
        assert status in responses, (path, method, status)
        described = responses[status]
        self.seen.add((path, method, status))
        for name in described.get("headers", {}):
            if name not in ("RateLimit", "RateLimit-Policy", "Location", "Retry-After"):
                assert name.lower() in answer.headers, (path, method, status, name)
        if "content" not in described:
            assert answer.content == b""
            return answer
        ((media_type, content),) = described["content"].items()
        assert answer.headers["content-type"].split(";")[0] == media_type.split(";")[0]
        if media_type.endswith("json"):
            strict = follow(content["schema"], self.rest)
            errors = list(Draft202012Validator(_closed(strict)).iter_errors(answer.json()))
            assert not errors, (path, method, status, errors[0].message)
        return answer


def _closed(schema: Any) -> Any:
    """Let objects have no members that are not described, but for problems, some of which have more."""
    if isinstance(schema, list):
        return [_closed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(it) for key, it in schema.items()}
    if isinstance(closed.get("properties"), dict) and "requestId" not in closed["properties"]:
        closed.setdefault("additionalProperties", False)
    return closed


def test_description_is_valid_openapi(rest: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(rest).validate()
    names = [it["operationId"] for methods in rest["paths"].values() for it in methods.values()]
    assert len(names) == len(set(names))
    assert not [it for it in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", it)], "camelCase words"
    assert {"startAction", "endAction", "topScores", "register", "login"} <= set(names)


def test_generators_meet_nothing_that_they_give_up_on(rest: dict[str, Any]) -> None:
    """A choice of objects becomes `any` in generated clients, an object without members one that has to be empty."""
    objects, choices = [], []
    for at in _schemas(rest):
        if at.get("type") == "object":
            objects.append(at)
        choices += [it for key in ("oneOf", "anyOf", "allOf") for it in [at.get(key)] if it]
    assert choices, "what may be null"
    for choice in choices:
        assert sum(it != {"type": "null"} for it in choice) == 1, choice
    for it in objects:
        assert "properties" in it or "additionalProperties" in it, it
    metadata = [at["metadata"] for at in (it.get("properties", {}) for it in objects) if "metadata" in at]
    assert len(metadata) >= 2
    assert all(it["additionalProperties"] is True for it in metadata)
    members = [(name, str(it)) for at in objects for name, it in at.get("properties", {}).items()]
    assert not [name for name, it in members if name.endswith("At") and "date-time" not in it]


def _schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every object within a document."""
    if isinstance(node, dict):
        yield node
    for it in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _schemas(it)


def test_examples_are_taken(rest: dict[str, Any]) -> None:
    for (path, method), operation in OPERATIONS.items():
        if operation.example is not None:
            msgspec.convert(operation.example, operation.body)
            body = rest["paths"][public(path)][method.lower()]["requestBody"]
            assert body["content"]["application/json"]["example"] == operation.example


def test_every_route_is_described_and_nothing_else(rest: dict[str, Any]) -> None:
    served = {
        (public(str(getattr(route, "path", ""))), method.lower())
        for route in API
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }
    assert {(path, method) for path, methods in rest["paths"].items() for method in methods} == served


def test_bodies_are_described_by_the_types_that_read_them(rest: dict[str, Any], alice: Player) -> None:
    body = rest["paths"]["/users/{userId}/actions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(follow(body, rest))
    for text, fine in (
        ('{"status": "started"}', True),
        ('{"status": "started", "type": "quest", "metadata": {"a": [1]}}', True),
        ('{"status": "begun"}', False),
        ('{"status": "started", "score": 5}', False),
        ('{"status": "started", "metadata": 5}', False),
        ("{}", False),
        ("[]", False),
    ):
        assert validator.is_valid(msgspec.json.decode(text)) is fine, text
        answer = alice.http.post(
            f"/users/{alice.user_id}/actions", content=text, headers={"content-type": "application/json"}
        )
        assert answer.status_code == (201 if fine else 400), text


def test_player_meets_only_what_is_described(service: Service, rest: dict[str, Any], web: Process) -> None:
    described = Described(rest)
    player = Player(web.url, unique("player"))
    http, check = player.http, described.check
    body = {"username": unique("new"), "email": f"{unique('new')}@example.org", "password": PASSWORD}
    check("/auth/register", http.post("/auth/register", json=body))
    check("/auth/register", http.post("/auth/register", json=body))
    check("/auth/register", http.post("/auth/register", json={**body, "username": "!"}))
    check("/auth/register", http.post("/auth/register", content="{}"))
    check("/auth/login", http.post("/auth/login", json={"username": player.username, "password": PASSWORD}))
    check("/auth/login", http.post("/auth/login", json={"username": player.username, "password": "wrong"}))
    check("/auth/refresh", http.post("/auth/refresh"))
    check("/auth/refresh", httpx2.post(f"{web.url}/auth/refresh"))
    board = check("/top-scores", http.get("/top-scores"))
    check("/top-scores", http.get("/top-scores", headers={"if-none-match": board.headers["etag"]}))
    check("/top-scores", http.get("/top-scores?board=other"))
    check("/boards", http.get("/boards"))
    check("/boards/{board}/periods", http.get("/boards/all-time/periods"))
    check("/boards/{board}/periods", http.get("/boards/all-time/periods?limit=0"))
    check("/boards/{board}/periods", http.get("/boards/none/periods"))
    check("/action-types", http.get("/action-types"))
    check("/.well-known/jwks.json", http.get("/.well-known/jwks.json"))
    actions, one = "/users/{userId}/actions", "/users/{userId}/actions/{actionId}"
    mine = f"/users/{player.user_id}/actions"
    started = check(actions, player.start(metadata={"level": 3})).json()["actionId"]
    check(actions, http.post(mine, json={"status": "started", "type": "none"}))
    check(actions, http.post(f"/users/{unique('x')}/actions", json={"status": "started"}))
    check(one, http.get(f"{mine}/{started}"))
    for status in ("completed", "completed", "cancelled"):
        check(one, player.end(started, status))
    check(one, player.end(player.started(), "cancelled"))
    check(one, player.end(player.started("quest")))
    check(one, player.end("none"))
    check(one, http.put(f"{mine}/{started}", content=b"x" * 20_000, headers={"content-type": "application/json"}))
    check(one, http.put(f"{mine}/{started}", content=b"{}", headers={"content-type": "text/plain"}))
    check(one, http.get(f"{mine}/{started}"))
    check(actions, http.get(f"{mine}?status=completed&limit=1"))
    check(actions, http.get(f"{mine}?limit=none"))
    passwords = {"currentPassword": PASSWORD, "newPassword": "another password"}
    check("/users/{userId}/password", http.post(f"/users/{player.user_id}/password", json={**passwords, "x": 1}))
    answer = check("/users/{userId}/password", http.post(f"/users/{player.user_id}/password", json=passwords))
    http.headers["authorization"] = f"Bearer {answer.json()['accessToken']}"
    wrong = http.request("DELETE", f"/users/{player.user_id}", json={"password": PASSWORD})
    assert check("/users/{userId}", wrong).status_code == 403
    check("/users/{userId}", http.get(f"/users/{player.user_id}"))
    check("/users/{userId}", http.get("/users/other"))
    operation = ("/about", "/healthz", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json")
    for path in operation:
        check(path, http.get(path))
    check("/admin/users", http.get("/admin/users"))
    check("/auth/logout", http.post("/auth/logout"))
    check("/auth/logout", http.post("/auth/logout"))
    player.close()
    gone = Player(web.url, unique("gone"))
    check("/users/{userId}", gone.http.request("DELETE", f"/users/{gone.user_id}", json={"password": PASSWORD}))
    gone.close()
    limited = service.web(RATE_LIMIT_CREATE="1/hour")
    slow = Player(limited.url, unique("slow"))
    slow.start()
    assert check(actions, slow.start()).status_code == 429
    slow.close()


def test_operator_meets_only_what_is_described(
    rest: dict[str, Any], web: Process, alice: Player, operator: Player
) -> None:
    check, http = Described(rest).check, operator.http
    action_id = alice.started()
    alice.end(action_id)
    reason = {"reason": "a look"}
    for settlement in ("held", "pending"):
        check("/admin/actions", http.get(f"/admin/actions?settlement={settlement}"))
    check("/admin/actions", http.get("/admin/actions?limit=0"))
    check("/admin/actions/{id}/release", http.post(f"/admin/actions/{action_id}/release", json={}))
    check("/admin/actions/{id}/reverse", http.post(f"/admin/actions/{action_id}/reverse", json=reason))
    check("/admin/actions/{id}/reverse", http.post("/admin/actions/none/reverse", json=reason))
    check("/admin/users", http.get(f"/admin/users?query={alice.username}"))
    user = f"/admin/users/{alice.user_id}"
    check("/admin/users/{id}/adjust", http.post(f"{user}/adjust", json={"points": 5, **reason}))
    check("/admin/users/{id}/adjust", http.post(f"{user}/adjust", json={"points": -500, **reason}))
    check("/admin/users/{id}/suspend", http.post(f"{user}/suspend", json=reason))
    check("/admin/users/{id}/suspend", http.post(f"{user}/suspend", json={}))
    check("/admin/users/{id}/reinstate", http.post(f"{user}/reinstate", json={}))
    check("/admin/users/{id}/erase", http.post(f"{user}/erase", json=reason))
    made = http.post("/admin/keys", json={"name": "described", "scopes": ["actions"]})
    check("/admin/keys", made)
    check("/admin/keys", http.get("/admin/keys?limit=1"))
    check("/admin/keys/{id}", http.delete(f"/admin/keys/{made.json()['id']}"))
    codes = "/admin/join-codes"
    code = check(codes, http.post(codes, json={"uses": 1})).json()["id"]
    check(codes, http.post(codes, json={"uses": 0}))
    check(codes, http.get(codes))
    for _ in range(2):
        check("/admin/join-codes/{id}", http.delete(f"{codes}/{code}"))
    check("/admin/flags", http.get("/admin/flags"))
    check("/admin/flags/{name}", http.put("/admin/flags/broadcast", json={"enabled": True}))
    check("/admin/flags/{name}", http.put("/admin/flags/none", json={"enabled": True}))
    check("/admin/audit", http.get("/admin/audit"))
    check("/admin/stats", http.get("/admin/stats"))


def test_descriptions_and_log_say_the_services_version(
    rest: dict[str, Any], live: dict[str, Any], web: Process
) -> None:
    assert rest["info"]["version"] == live["info"]["version"] == VERSION
    assert f"process.started part=web version={VERSION}" in web.output()


def test_documents_are_kept_by_clients(web: Process) -> None:
    for path in ("/openapi.json", "/asyncapi.json"):
        answer = httpx2.get(f"{web.url}{path}", timeout=10)
        again = httpx2.get(f"{web.url}{path}", headers={"if-none-match": answer.headers["etag"]}, timeout=10)
        assert (again.status_code, again.content) == (304, b"")
        other = httpx2.get(f"{web.url}{path}", headers={"if-none-match": '"other"'}, timeout=10)
        assert (other.status_code, other.content) == (200, answer.content)


@pytest.mark.parametrize("key", ["", "hmac:" + "c2VjcmV0" * 6])
def test_socket_sends_what_is_described(live: dict[str, Any], service: Service, key: str) -> None:
    assert live["asyncapi"] == "3.0.0"
    web = service.web(SIGNING_KEY=key)
    player = Player(web.url, unique("player"))
    update = _closed(follow(live["components"]["messages"]["top_scores_update"]["payload"], live))
    with listening(web, player.token) as websocket:
        received = message(websocket)
    player.close()
    Draft202012Validator(update).validate(received)
    assert ("signature" in received) == bool(key)


def test_examples_of_the_socket_are_as_described(live: dict[str, Any]) -> None:
    for name, described in live["components"]["messages"].items():
        validator = Draft202012Validator(_closed(follow(described["payload"], live)))
        for example in described["examples"]:
            validator.validate(example["payload"])
            assert example["payload"]["type"] == name
    references = re.findall(r'"\$ref":"#/([^"]+)"', msgspec.json.encode(live).decode())
    for reference in references:
        found: Any = live
        for key in reference.split("/"):
            found = found[key]
    assert set(live["channels"]["live"]["x-close-codes"]) == {"1003", "1008", "1009", "1012", "4401", "4403", "4408"}
