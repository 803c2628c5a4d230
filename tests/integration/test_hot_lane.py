"""The shortcuts of app/edge.py answer like the router, which a request takes that has an `Origin`."""

from typing import Any

import httpx2
import pytest

from tests.support.people import Player
from tests.support.service import NOBODY, eventually

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


def test_hot_lane_board_is_the_routers(alice: Player) -> None:
    def boards() -> list[tuple[bytes, dict[str, str]]]:
        answers = [httpx2.get(f"{alice.http.base_url}/top-scores", headers=way) for way in (SHORTCUT, ROUTER)]
        assert {it.status_code for it in answers} == {200}
        return [(it.content, headers_of(it)) for it in answers]

    def alike() -> bool:  # unless a new board comes between the two
        shortcut, router = boards()
        return shortcut == router

    eventually(alike)


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
