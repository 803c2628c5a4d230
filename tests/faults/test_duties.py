"""Redis by duty: keys and limits, the queue, and the channels, each on a server of its own."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import redis
from websockets.sync.client import ClientConnection

from dev import embedded
from tests.support.people import Player, unique
from tests.support.service import Process, Service, eventually
from tests.support.sockets import listening, message

Duties = dict[str, embedded.Redis]


@pytest.fixture
def duties(tmp_path: Path) -> Iterator[Duties]:
    with (
        embedded.Redis(tmp_path / "cache") as cache,
        embedded.Redis(tmp_path / "broker") as broker,
        embedded.Redis(tmp_path / "pubsub") as pubsub,
    ):
        yield {"REDIS_URL": cache, "CELERY_BROKER_URL": broker, "PUBSUB_URL": pubsub}


def commands(server: embedded.Redis) -> set[str]:
    """Return the commands that a server was ever asked for; `publish` in a script is counted too."""
    with redis.Redis.from_url(server.url) as client:
        return {name.removeprefix("cmdstat_").partition("|")[0] for name in client.info("commandstats")}


def shown(socket: ClientConnection, score: int) -> bool:
    """Read on until the board says that the first one has so much."""
    said = message(socket)
    return said["type"] == "top_scores_update" and [row["score"] for row in said["payload"]] == [score]


def relay(web: Process) -> str:
    word: str = httpx2.get(f"{web.url}/readyz", timeout=10).json()["checks"]["relay"]
    return word


def test_each_server_has_its_duty_alone_and_channels_that_are_lost_lose_nothing(
    service: Service, duties: Duties
) -> None:
    env = {name: server.url for name, server in duties.items()}
    web = service.web(**{**env, "RATE_LIMIT_CREATE": "1000/minute"})  # type: ignore[arg-type]
    service.worker(**env)
    service.beat(**env)
    player = Player(web.url, unique("player"))
    eventually(lambda: relay(web) == "ok", what="the relay")
    with listening(web, player.token) as socket:
        player.score()
        eventually(lambda: shown(socket, 10), what="the first points")

        used = {name: commands(server) for name, server in duties.items()}
        assert not used["REDIS_URL"] & {"publish", "subscribe", "psubscribe", "brpop", "lpush"}
        assert used["PUBSUB_URL"] <= {
            "publish",
            "subscribe",
            "unsubscribe",
            "ping",
            "auth",
            "hello",
            "client",
            "info",
            "config",
        }
        assert {"publish", "subscribe"} <= used["PUBSUB_URL"]
        with redis.Redis.from_url(duties["CELERY_BROKER_URL"].url) as broker:
            assert not broker.keys("top_scores*")
            assert not broker.keys("scoreboard:*")

        duties["PUBSUB_URL"].kill()
        eventually(lambda: relay(web) == "down", what="what readyz says")
        player.score()
        eventually(lambda: shown(socket, 20), within=20, what="points without the channels")
        duties["PUBSUB_URL"].start()
        eventually(lambda: relay(web) == "ok", what="the relay again")
        player.score()
        eventually(lambda: shown(socket, 30), what="points by the channels")
    with redis.Redis.from_url(duties["REDIS_URL"].url) as cache:
        assert b'"score":30' in cache.get("top_scores:10")
    player.close()
