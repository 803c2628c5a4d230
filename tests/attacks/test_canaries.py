"""Tokens, passwords and e-mail addresses that nobody may find again: not in a log, a metric, or a page of Flower."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from app.domain.service_keys import digest
from tests.support.people import Player, set_role, unique
from tests.support.service import BIN, ROOT, Process, Service, eventually, free_port
from tests.support.sockets import listening, message

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
    """A Flower, open, as on a developer's machine; its API too, which tells all that it knows of a task."""
    with flower_of(service, FLOWER_UNAUTHENTICATED_API="true") as url:
        yield url


def _read(url: str) -> str:
    answer = httpx2.get(url, timeout=20, follow_redirects=True)
    assert answer.status_code == 200, url
    return answer.text


def _tasks_with(flower: str, action_id: str) -> list[str]:
    """Return the ids of the tasks that Flower shows with an action among their arguments."""
    tasks = json.loads(_read(f"{flower}/api/tasks"))
    return [task_id for task_id, task in tasks.items() if action_id in json.dumps(task)]


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
    with listening(web, player.token) as websocket:
        message(websocket)
    with listening(web, path=f"/ws?token={token}") as websocket:
        message(websocket)
    with listening(web, subprotocols=["scoreboard.v1", f"bearer.{token}"]) as websocket:
        message(websocket)
    key = _service_key(web, service, player)
    settled = service.stores.value("SELECT id::text FROM actions WHERE status = 'completed' LIMIT 1")
    tasks = eventually(lambda: _tasks_with(flower, settled), what="the task that settles an action")
    flower_pages = ("/", "/workers", "/tasks", "/broker", "/metrics", "/api/tasks", "/api/workers")
    pages = [
        _read(f"{web.url}/metrics"),
        _read(f"http://127.0.0.1:{port}/metrics"),
        *(_read(f"{flower}{path}") for path in (*flower_pages, *(f"/task/{task_id}" for task_id in tasks))),
    ]
    http.close()
    for process in (beat, worker, web):
        process.stop()
    logs = {path.name: path.read_text(errors="replace") for path in service.logs.glob("*.log")}
    assert any("action.completed" in text for text in logs.values())
    signature = token.rpartition(".")[2]
    for secret in (token, forged, signature, PASSWORD, email, key, key.removeprefix("sbk_"), digest(key)):
        for where, text in [*logs.items(), *((f"page {i}", page) for i, page in enumerate(pages))]:
            assert secret not in text, f"{secret} is in {where}"


def _service_key(web: Process, service: Service, player: Player) -> str:
    """Make a service key and send it wherever one may be sent, also by mistake; give it."""
    set_role(service.stores, player.user_id)
    wanted = {"name": unique("canary"), "scopes": ["actions", "users", "admin"]}

    def made() -> dict[str, str] | None:
        answer = player.http.post("/admin/keys", json=wanted)
        return answer.json() if answer.status_code == 201 else None

    described = eventually(made, within=5, what="a key, once the process has heard of the role")
    assert described is not None
    key, key_id = described["key"], described["id"]
    path = f"/users/{player.user_id}/actions"
    with httpx2.Client(base_url=web.url, timeout=10, headers={"authorization": f"Bearer {key}"}) as server:
        assert server.post(path, json={"status": "started"}).status_code == 201
        server.put("/users/external/canary", json={"displayName": "Canary"})
        server.post("/admin/users", json={"username": unique("canary")})
        server.post("/auth/refresh")
        server.post(path, json={"status": "started", "type": "none"})
        server.post(path, json={"status": key})
        server.get(f"/top-scores?token={key}")
        with listening(web, path=f"/ws?token={key}") as websocket:
            message(websocket)
        player.http.delete(f"/admin/keys/{key_id}")
        server.post(path, json={"status": "started"})
        server.get("/ws")
    return key


def test_flower_behind_a_password_tells_strangers_nothing(service: Service) -> None:
    with flower_of(service, FLOWER_BASIC_AUTH="ops:a long password") as url:
        for path in ("/", "/workers", "/tasks", "/broker", "/api/tasks", "/api/workers"):
            for auth in (None, ("ops", "wrong"), ("", "")):
                assert httpx2.get(f"{url}{path}", auth=auth, timeout=20).status_code == 401, path
            assert httpx2.get(f"{url}{path}", auth=("ops", "a long password"), timeout=20).status_code == 200, path
