"""The compose file's way to TLS: Debian's Caddy with its configuration, in front of a web process."""

import re
import shutil
import socket

import httpx2
import pytest

from tests.support.people import Player
from tests.support.service import ROOT, Process, Service, eventually, free_port
from tests.support.sockets import listening, message

CONFIGURATION = (ROOT / "docs/deploy/Caddyfile").read_text()


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    return service.web(TRUSTED_PROXIES="127.0.0.0/8", RATE_LIMIT_LOGIN_IP="2/hour", TRUSTED_NETWORKS="203.0.113.0/24")


@pytest.fixture(scope="module")
def caddy(service: Service, web: Process, tmp_path_factory: pytest.TempPathFactory) -> Process:
    """Caddy as the file has it, but without TLS, and with this machine in the place of the containers."""
    program = shutil.which("caddy") or pytest.fail("apt install caddy")
    folder, port, text = tmp_path_factory.mktemp("caddy"), free_port(), CONFIGURATION
    for there, here in (
        (r"\{\$DOMAIN\}", f"{{\n\tadmin off\n}}\n\nhttp://127.0.0.1:{port}"),
        (r"dynamic a web 8000 \{\n.*\n\t+\}", f"to 127.0.0.1:{web.port}"),
    ):
        text, times = re.subn(there, here, text)
        assert times == 1, there
    file = folder / "Caddyfile"
    file.write_text(text)
    environment = {**service.stores.environment(), "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    command = [program, "run", "--config", str(file), "--adapter", "caddyfile"]
    process = service.start("caddy", command, environment, port)

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers, what="caddy")
    return process


def test_caddy_passes_sockets_on_and_the_page(caddy: Process, alice: Player) -> None:
    with listening(caddy, alice.token) as websocket:
        assert message(websocket)["type"] == "top_scores_update"
    assert httpx2.get(f"{caddy.url}/top-scores", timeout=10).status_code == 200


def test_caddy_lets_nobody_choose_an_address(caddy: Process) -> None:
    def limits(address: str) -> str:
        answer = httpx2.post(f"{caddy.url}/auth/login", json={}, headers={"X-Forwarded-For": address}, timeout=10)
        return str(answer.headers.get("ratelimit-policy", ""))

    assert "login_ip" in limits("203.0.113.7")
