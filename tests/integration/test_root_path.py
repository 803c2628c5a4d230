"""ROOT_PATH: requests with the path and without it, and what answers name."""

import re
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest

from app.http.root_path import own_paths
from app.router import ROUTES
from tests.support.people import Player
from tests.support.service import Process, Service
from tests.support.sockets import listening, message

BELOW = "/games/board"


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    return service.web(ROOT_PATH=BELOW, ALLOWED_ORIGINS="https://play.example.com")


@pytest.mark.parametrize("prefix", [BELOW, ""], ids=["as it is", "stripped"])
@pytest.mark.parametrize("origin", [{}, {"Origin": "https://play.example.com"}], ids=["hot", "routed"])
def test_action_is_played_and_found_where_it_is_said_to_be(
    web: Process, alice: Player, prefix: str, origin: dict[str, str]
) -> None:
    mine = f"{prefix}/users/{alice.user_id}/actions"
    started = alice.http.post(mine, json={"status": "started"}, headers=origin)
    action_id = started.json()["actionId"]
    assert started.headers["location"] == f"{BELOW}/users/{alice.user_id}/actions/{action_id}"
    assert alice.http.get(started.headers["location"]).json()["actionId"] == action_id
    ended = alice.http.put(f"{mine}/{action_id}", json={"status": "completed"}, headers=origin)
    assert (ended.status_code, ended.json()["awardedPoints"]) == (200, 10)
    assert alice.http.get(f"{prefix}/top-scores", headers=origin).status_code == 200


def test_socket_is_there(web: Process, alice: Player) -> None:
    with listening(web, alice.token, path=f"{BELOW}/ws") as websocket:
        assert message(websocket)["type"] == "top_scores_update"


@pytest.mark.parametrize("page", ["", "/", "/operator", "/docs"])
def test_page_names_only_addresses_below_the_path(web: Process, page: str) -> None:
    """Also without a slash at the end of the path, where relative ones would miss it."""
    url = f"{web.url}{BELOW}{page}"
    named = re.findall(r'(?:href|src)="([^"#][^"]*)"', httpx2.get(url, timeout=10).text)
    assert len(named) >= 4
    for address in (urljoin(url, it) for it in named):
        assert urlsplit(address).path.startswith(f"{BELOW}/")
        assert httpx2.get(address, timeout=10).status_code == 200, address


def test_descriptions_name_the_path(web: Process) -> None:
    assert httpx2.get(f"{web.url}{BELOW}/openapi.json", timeout=10).json()["servers"] == [{"url": BELOW}]
    assert httpx2.get(f"{web.url}{BELOW}/asyncapi.json", timeout=10).json()["servers"]["this"]["pathname"] == BELOW


@pytest.mark.parametrize("path", [f"{BELOW}other", f"{BELOW}{BELOW}/healthz", "/games", "/games/healthz"])
def test_what_only_resembles_the_path_is_not_found(web: Process, path: str) -> None:
    assert httpx2.get(f"{web.url}{path}", timeout=10).json()["code"] == "not-found"


def test_probes_need_not_know_the_path_and_metrics_have_none(web: Process) -> None:
    for path in ("/healthz", "/readyz", f"{BELOW}/healthz"):
        assert httpx2.get(f"{web.url}{path}", timeout=10).status_code == 200
    for path in ("/top-scores/stream", f"{BELOW}/top-scores/stream"):
        with httpx2.stream("GET", f"{web.url}{path}", timeout=10) as stream:
            assert next(stream.iter_lines()).startswith("id: ")
    routes = httpx2.get(f"{web.url}/metrics", timeout=10).text
    assert 'route="/healthz"' in routes
    assert f'route="{BELOW}' not in routes


def test_own_paths_are_those_of_the_routes() -> None:
    assert {"/users", "/admin", "/auth", "/static", "/ws", "/top-scores", "/.well-known"} <= own_paths(ROUTES)
    assert all(re.fullmatch(r"/[a-z.-]+", path) for path in own_paths(ROUTES))
