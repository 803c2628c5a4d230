"""Tokens, passwords and e-mail addresses that nobody may find again: not in a log, a metric, or a page of Flower."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from tests.service import BIN, ROOT, Player, Service, eventually, free_port, message, socket_of, unique

PASSWORD = "canary-password-4711"


@contextmanager
def flower_of(service: Service, **more: str) -> Iterator[str]:
    """Run a Flower; gives where it is."""
    port = free_port()
    log = service.logs / "flower.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "python", "-m", "workers.flower"],
            cwd=ROOT,
            env=service.stores.environment(FLOWER_PORT=str(port), LOG_LEVEL="DEBUG", **more),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _answers(url), within=30, what=f"Flower ({log.read_text()[-500:]})")
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def flower(service: Service) -> Iterator[str]:
    """A Flower, open, as on a developer's machine."""
    with flower_of(service) as url:
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthcheck", timeout=2).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.timeout(180)
def test_secrets_are_found_nowhere(service: Service, flower: str) -> None:
    port = free_port()
    web = service.web(LOG_LEVEL="DEBUG")
    worker = service.worker(LOG_LEVEL="DEBUG", WORKER_METRICS_PORT=str(port))
    beat = service.beat(LOG_LEVEL="DEBUG")
    name = unique("canary")
    email = f"{name}-mail@example.org"
    register = {"username": name, "email": email, "password": PASSWORD}
    assert httpx2.post(f"{web.url}/auth/register", json=register, timeout=10).status_code == 201
    login = httpx2.post(f"{web.url}/auth/login", json={"username": name, "password": PASSWORD}, timeout=10).json()
    token = login["accessToken"]
    forged = f"{token[:-6]}forged"
    player = Player.__new__(Player)
    player.http = httpx2.Client(base_url=web.url, timeout=10, headers={"authorization": f"Bearer {token}"})
    player.username, player.token, player.user_id = name, token, login["userId"]
    player.score(times=3)
    http = player.http
    http.post("/auth/refresh")
    http.post("/auth/login", json={"username": name, "password": "a wrong password"})
    http.post("/auth/login", json={"username": name, "password": PASSWORD, "token": token})
    for headers in ({"authorization": f"Bearer {forged}"}, {"authorization": token}, {"cookie": f"token={token}"}):
        httpx2.get(f"{web.url}/top-scores", headers=headers, timeout=10)
    httpx2.get(f"{web.url}/top-scores?token={token}", timeout=10)
    httpx2.get(f"{web.url}/ws?token={token}", timeout=10)
    httpx2.post(f"{web.url}/auth/login", content=f'{{"username": "{token}"', timeout=10)
    with socket_of(web, player) as websocket:
        message(websocket)
    with socket_of(web, path=f"/ws?token={token}") as websocket:
        message(websocket)
    with socket_of(web, subprotocols=["scoreboard.v1", f"bearer.{token}"]) as websocket:
        message(websocket)
    pages = [
        httpx2.get(f"{web.url}/metrics", timeout=10).text,
        httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text,
        *(
            httpx2.get(f"{flower}{path}", timeout=20, follow_redirects=True).text
            for path in ("/", "/workers", "/tasks", "/broker", "/metrics", "/api/tasks", "/api/workers")
        ),
    ]
    http.close()
    for process in (beat, worker, web):
        process.stop()
    logs = {path.name: path.read_text(errors="replace") for path in service.logs.glob("*.log")}
    assert any("action.completed" in text for text in logs.values())
    signature = token.rpartition(".")[2]
    for secret in (token, forged, signature, PASSWORD, email):
        for where, text in [*logs.items(), *((f"page {i}", page) for i, page in enumerate(pages))]:
            assert secret not in text, f"{secret} is in {where}"


def test_flower_behind_a_password_tells_strangers_nothing(service: Service) -> None:
    with flower_of(service, FLOWER_BASIC_AUTH="ops:a long password") as url:
        for path in ("/", "/workers", "/tasks", "/broker", "/api/tasks", "/api/workers"):
            for auth in (None, ("ops", "wrong"), ("", "")):
                assert httpx2.get(f"{url}{path}", auth=auth, timeout=20).status_code == 401, path
            assert httpx2.get(f"{url}{path}", auth=("ops", "a long password"), timeout=20).status_code == 200, path
