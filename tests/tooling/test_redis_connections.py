"""How many connections to Redis a small installation holds at rest: the smallest plans of platforms allow 20."""

import sys
from pathlib import Path

import httpx2
import redis

from dev import embedded
from tests.support.people import Player, unique
from tests.support.service import Service, Stores, eventually, free_port

PLAN = 20
BY_PROCESS = {"web": 6, "worker": 7, "beat": 3, "flower": 3}
"""As docs/deploy.md says."""


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def test_connections_of_one_each_fit_the_smallest_plan(service: Service, stores: Stores, tmp_path: Path) -> None:
    assert sum(BY_PROCESS.values()) < PLAN
    with embedded.Redis(tmp_path / "redis") as server, redis.Redis.from_url(server.url) as operator:

        def connections() -> list[dict[str, str]]:
            mine = str(operator.client_id())
            return [it for it in operator.client_list() if it["id"] != mine]

        web = service.web(REDIS_URL=server.url, RATE_LIMIT_CREATE="1000/minute")
        service.worker(REDIS_URL=server.url)
        service.beat(REDIS_URL=server.url)
        port = free_port()
        command = [sys.executable, "-m", "workers.flower"]
        service.start("flower", command, stores.environment(REDIS_URL=server.url, FLOWER_PORT=str(port)), port)
        player = Player(web.url, unique("player"))
        player.score()
        eventually(lambda: player.http.get("/top-scores").json(), what="a board that the worker settled")
        for page in ("healthcheck", "workers", "tasks", "broker"):
            eventually(lambda it=page: answers(f"http://127.0.0.1:{port}/{it}"), within=20, what=f"Flower's {page}")  # type: ignore[misc]
        eventually(
            lambda: sum(it["cmd"] == "psubscribe" for it in connections()) == 2,
            within=20,
            what="Flower listening to the worker",
        )
        most = sum(BY_PROCESS.values())
        eventually(lambda: len(connections()) <= most, what=f"no more than {most} connections")
        player.close()
        service.stop()
