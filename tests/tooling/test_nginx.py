"""The proxy of the compose file: Debian's nginx with its configuration, in front of a web process."""

import re
import socket
from pathlib import Path

import httpx2
import pytest

from tests.integration.test_offered_upgrades import answer, java
from tests.support import nginx
from tests.support.live import award
from tests.support.people import PASSWORD, Player, listener
from tests.support.service import ROOT, Process, Service, Stores, eventually, free_port
from tests.support.sockets import listening, message
from tests.support.streams import refused, streaming

CONFIGURATION = (ROOT / "docs/deploy/nginx.conf").read_text()


def _for_this_machine(web: Process, port: int, folder: Path) -> str:
    """Return the configuration with the names of the compose file's containers replaced, and nothing else."""
    text = CONFIGURATION
    for there, here in (
        (r"resolver 127\.0\.0\.11 .*;", ""),
        (r"server web:8000 resolve;", f"server 127.0.0.1:{web.port};"),
        (r"listen 80;", f"listen 127.0.0.1:{port};"),
        (r"/var/run/nginx\.pid", str(folder / "nginx.pid")),
        (r"/dev/stderr crit", str(folder / "error.log")),
        (r"/dev/stdout", str(folder / "access.log")),
    ):
        text, times = re.subn(there, here, text)
        assert times == 1, there
    return text.replace("http {\n", f"http {{\n{nginx.folders(folder)}", 1)


@pytest.fixture(scope="module")
def proxy(service: Service, web: Process, tmp_path_factory: pytest.TempPathFactory) -> Process:
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    return nginx.start(service, folder, _for_this_machine(web, port, folder), port)


def test_proxy_passes_sockets_on(proxy: Process, alice: Player) -> None:
    with listening(proxy, alice.token) as websocket:
        assert message(websocket)["type"] == "top_scores_update"


def test_proxy_passes_streams_on_event_by_event(proxy: Process, web: Process, stores: Stores) -> None:
    dora = listener(stores, "dora")
    with streaming(proxy) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        stream.next()
        assert stream.heartbeat()["broadcasting"] is True
        for points in (5, 7):
            newer = award(stores, dora.user_id, points)
            while stream.update().data != newer.text:
                pass
        assert open_streams(web) == 1
    eventually(lambda: open_streams(web) == 0, what="that the reader has gone")
    assert refused(proxy, "?board=yearly") == (404, "not-found")


def open_streams(web: Process) -> float:
    shown = httpx2.get(f"{web.url}/metrics").text
    return float(re.findall(r"^stream_connections (\S+)$", shown, re.MULTILINE)[0])


def test_proxy_passes_on_bodies_of_clients_that_offer_h2c(proxy: Process, alice: Player) -> None:
    login = b'{"username": "%s", "password": "%s"}' % (alice.username.encode(), PASSWORD.encode())
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as peer:
        for _ in range(2):
            for packet in java("POST", "/auth/login", login):
                peer.sendall(packet)
            assert answer(peer).startswith(b"HTTP/1.1 200 ")
