"""Redis over TLS (`rediss://`), with a certificate that signs itself: cache, relay, limits, broker and Flower."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.network import Proxy
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, eventually, free_port
from tests.support.sockets import listening, message
from tests.support.tls import self_signed


@dataclass(frozen=True)
class Secured:
    """Where Redis is found over TLS, and the file of its certificate."""

    url: str
    certificate: Path


@pytest.fixture(scope="module")
def secured(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    certificate, context = self_signed(tmp_path_factory.mktemp("tls"))
    plain = urlsplit(stores.redis_url)
    assert plain.port
    with Proxy(plain.port, tls=context) as proxy:
        yield Secured(f"rediss://:{plain.password}@127.0.0.1:{proxy.port}{plain.path}", certificate)


def checks(web: Process) -> dict[str, str]:
    found: dict[str, str] = httpx2.get(f"{web.url}/readyz", timeout=5).json()["checks"]
    return found


@pytest.mark.parametrize("how", ["?ssl_cert_reqs=none", "?ssl_ca_certs={certificate}"])
def test_tls_carries_everything(service: Service, stores: Stores, secured: Secured, how: str) -> None:
    stores.redis.flushall()
    url = secured.url + how.format(certificate=secured.certificate)
    web = service.web(REDIS_URL=url, RATE_LIMIT_COMPLETE="30/minute")
    worker = service.worker(REDIS_URL=url)
    flower = service.start(
        "flower",
        [sys.executable, "-m", "workers.flower"],
        stores.environment(REDIS_URL=url, FLOWER_PORT=str(port := free_port())),
        port,
    )
    player = Player(web.url, unique("dora"))
    with listening(web, player.token) as websocket:
        message(websocket)
        player.score()  # no beat, so no sweep: what settles it came through the broker
        seen = [message(websocket)]
        while player.username not in [row["username"] for row in seen[-1]["payload"]]:
            seen.append(message(websocket))
    assert stores.redis.keys("scoreboard:tokens:complete:*")
    assert {name: checks(web)[name] for name in ("redis", "relay")} == {"redis": "ok", "relay": "ok"}
    eventually(
        lambda: "<td>settle</td>" in "".join(broker_page(flower).split()),
        within=30,
        what=f"the queues on Flower's page ({flower.log})",
    )
    player.close()
    for process in (flower, worker, web):
        process.stop()


def broker_page(flower: Process) -> str:
    try:
        page = httpx2.get(f"{flower.url}/broker", timeout=5)
    except httpx2.TransportError:
        return ""
    return page.text.partition("<tbody>")[2]


def test_certificate_that_nobody_knows_is_refused_by_default(service: Service, secured: Secured) -> None:
    web = service.web(REDIS_URL=secured.url)
    assert {name: checks(web)[name] for name in ("redis", "relay")} == {"redis": "down", "relay": "down"}
    port = free_port()
    worker = service.start(
        "worker",
        ["celery", "-A", "workers.app", "worker", "--concurrency", "1"],
        service.stores.environment(REDIS_URL=secured.url, WORKER_METRICS_PORT="0"),
        port,
    )
    refused = "certificate verify failed"
    eventually(lambda: refused in worker.output(), within=20, what=f"the worker's refusal ({worker.log})")
    assert "ready." not in worker.output()
    for process in (worker, web):
        process.stop()
