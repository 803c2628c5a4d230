"""The shortcuts of app/edge.py answer like the router, which a request takes that has an `Origin`."""

import socket
import struct
import time
from typing import Any

import httpx2
import pytest

from db.redis import token_bucket_key
from tests.support.people import Player
from tests.support.service import NOBODY, Service, Stores, eventually, problem

SHORTCUT: dict[str, str] = {}
ROUTER = {"Origin": "https://elsewhere.example"}

NEW = "/users/{player}/actions"
ONE = "/users/{player}/actions/{action}"
STARTED, COMPLETED = {"status": "started"}, {"status": "completed"}
VARYING = {"date", "x-request-id", "location", "content-length", "ratelimit"}
"""Headers whose values differ from one answer to the next."""


def answered(player: Player, method: str, path: str, way: dict[str, str], options: dict[str, Any]) -> httpx2.Response:
    """Send a request one way, about an action of its own."""
    target = path.format(player=player.user_id, action=player.started() if "{action}" in path else "")
    return player.http.request(method, target, **{**options, "headers": {**options.get("headers", {}), **way}})


def headers_of(answer: httpx2.Response) -> dict[str, str]:
    return {name: "" if name in VARYING else value for name, value in answer.headers.items()}


def body_of(answer: httpx2.Response) -> dict[str, Any]:
    varying = {"actionId", "requestId", "startAt", "endAt", "totalScore"}
    return {key: bool(value) if key in varying else value for key, value in answer.json().items()}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", NEW, {"json": STARTED}, 201),
        ("POST", NEW, {"json": {**STARTED, "type": "quest", "metadata": {"level": 3}}}, 201),
        ("POST", NEW, {"json": {**STARTED, "type": "nothing"}}, 400),
        ("POST", NEW, {"json": {"status": "begun"}}, 400),
        ("POST", NEW, {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", NEW, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", NEW, {"json": {**STARTED, "metadata": {"note": "x" * 20_000}}}, 413),
        ("POST", NEW, {"json": STARTED, "headers": {"Authorization": "Bearer none"}}, 401),
        ("POST", f"/users/{NOBODY}/actions", {"json": STARTED}, 403),
        ("POST", "/users//actions", {"json": STARTED}, 404),
        ("POST", f"{NEW}/", {"json": STARTED}, 404),
        ("PUT", ONE, {"json": COMPLETED}, 200),
        ("PUT", ONE, {"json": {"status": "cancelled"}}, 200),
        ("PUT", ONE, {"json": {"started": "completed"}}, 200),
        ("PUT", ONE, {"json": STARTED}, 400),
        ("PUT", f"{NEW}/{NOBODY}", {"json": COMPLETED}, 404),
        ("PUT", f"{NEW}/first", {"json": COMPLETED}, 404),
        ("PUT", NEW, {"json": COMPLETED}, 405),
        ("POST", ONE, {"json": STARTED}, 405),
    ],
)
def test_hot_lane_answers_like_the_router(
    alice: Player, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    shortcut, router = (answered(alice, method, path, way, options) for way in (SHORTCUT, ROUTER))
    assert (shortcut.status_code, router.status_code) == (status, status)
    assert headers_of(shortcut) == headers_of(router)
    assert body_of(shortcut) == body_of(router)


@pytest.mark.parametrize("token", [False, True], ids=["plain", "token"])
@pytest.mark.parametrize(
    ("condition", "status"),
    [(None, 200), ("{etag}", 304), ("W/{etag}", 304), ('"other", {etag}', 304), ("*", 304), ('"other"', 200)],
)
def test_hot_lane_board_is_the_routers(alice: Player, token: bool, condition: str | None, status: int) -> None:
    url, known = f"{alice.http.base_url}/top-scores", {"Authorization": f"Bearer {alice.token}"} if token else {}

    def alike() -> bool:  # unless a new board comes between the two
        etag = httpx2.get(url, headers=known).headers["etag"]  # the process knows the token from here on
        asked = {**known, **({"If-None-Match": condition.format(etag=etag)} if condition else {})}
        shortcut, router = (httpx2.get(url, headers={**asked, **way}) for way in (SHORTCUT, ROUTER))
        same = [(it.status_code, it.content, headers_of(it)) for it in (shortcut, router)]
        return same[0] == same[1] and shortcut.status_code == status and bool(shortcut.content) == (status == 200)

    eventually(alike)


def test_reads_with_a_token_pass_before_redis_knows_of_them(service: Service, stores: Stores, alice: Player) -> None:
    process = service.web(RATE_LIMIT_USER="1000/day")
    key = token_bucket_key("user", alice.user_id)

    def read(**headers: str) -> httpx2.Response:
        return httpx2.get(f"{process.url}/top-scores", headers={"Authorization": f"Bearer {alice.token}", **headers})

    first = read()
    assert first.headers["ratelimit"].startswith('"user";r=999;')
    empty = struct.pack("<dd", time.time() * 1e6, 86_400 * 1e6)
    stores.redis.set(key, empty)  # as other processes might have left it
    second = read(**{"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.headers["ratelimit-policy"]) == (304, '"user";q=1000;w=86400')
    assert second.headers["ratelimit"].startswith('"user";r=998;')
    refused = eventually(lambda: (answer := read()).status_code == 429 and answer, what="what Redis knows")
    assert isinstance(refused, httpx2.Response)
    assert problem(refused, 429, "rate-limited")["policy"] == "user"
    assert refused.headers["ratelimit"].startswith('"user";r=0;')
    stores.redis.delete(key)
    assert eventually(lambda: (answer := read()).status_code == 200 and answer, what="a full bucket")


def test_token_that_was_good_is_asked_after_once_it_may_not_be(alice: Player) -> None:
    url = f"{alice.http.base_url}/top-scores"
    good = f"Bearer {alice.token}"
    for _ in range(3):
        assert httpx2.get(url, headers={"Authorization": good}).status_code == 200
    for authorization in (good[:-2], good.replace("Bearer ", "Basic "), "Bearer", ""):
        problem(httpx2.get(url, headers={"Authorization": authorization}), 401)
    assert httpx2.get(url, headers={"Authorization": good.replace("Bearer ", "bearer  ")}).status_code == 200
    twice = [("Authorization", "Bearer none"), ("Authorization", good)]
    problem(httpx2.get(url, headers=twice), 401)  # the first of them counts, on either way
    tags = [("If-None-Match", "*"), ("If-None-Match", '"other"')]
    assert httpx2.get(url, headers=[*tags, ("Authorization", good)]).status_code == 304
    assert alice.http.post("/auth/logout").status_code == 204
    problem(httpx2.get(url, headers={"Authorization": good}), 401)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_hot_lane_closes_like_the_router(alice: Player, version: str) -> None:
    def said(more: str) -> list[bytes]:
        """Return the answer's status and connection headers, once the connection was closed."""
        head = f"GET /top-scores HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n"
        with socket.create_connection(("127.0.0.1", alice.http.base_url.port or 0), timeout=10) as connection:
            connection.sendall(head.encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.endswith(b"]")
        lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
        return [lines[0], *(it for it in lines if it.startswith(b"connection"))]

    assert said("") == said("Origin: https://elsewhere.example\r\n") == [b"HTTP/1.1 200 OK", b"connection: close"]


def test_hot_lane_counts_like_the_router(alice: Player) -> None:
    def counted() -> float:
        lines = alice.http.get("/metrics").text.splitlines()
        route = 'method="POST",route="/users/{user_id}/actions",status="201"'
        found = [it for it in lines if it.startswith("http_request_duration_seconds_count") and route in it]
        return float(found[0].split()[-1]) if found else 0.0

    before = counted()
    for way in (SHORTCUT, ROUTER):
        answered(alice, "POST", NEW, way, {"json": STARTED})
    assert counted() == before + 2
