"""The clients of docs/client, as they stand: they play, survive a lost answer, and come back to a restarted service."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.network import Cut, Proxy
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import ROOT, Process, Service, Stores, eventually

CLIENTS = ROOT / "docs" / "client"
NAMES = ["play.sh", "play.py", "play.mjs"]
NEEDED = (20, 10)
"""The first Node that has a WebSocket, though behind a flag until 22."""


def node() -> list[str]:
    """Return the command that runs a module; where there is no Node for it the test is left out, but not in CI."""
    version = _version_of(found) if (found := shutil.which("node")) else None
    if found and version and version >= NEEDED:
        return [found] if version >= (22,) else [found, "--experimental-websocket", "--no-warnings"]
    said = f"the JavaScript client was left out: it needs Node {'.'.join(map(str, NEEDED))} or newer"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


def _version_of(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def command(client: str) -> list[str]:
    """Return the command that a client's first lines tell to type."""
    return {"play.sh": ["bash"], "play.py": [sys.executable]}.get(client) or node()


@pytest.fixture(scope="module", autouse=True)
def background(service: Service) -> None:
    service.worker()
    service.beat()


@pytest.fixture
def web(service: Service) -> Iterator[Process]:
    """One for each test, since they restart it."""
    started = service.web()
    yield started
    started.stop()


@pytest.fixture
def puts() -> list[bytes]:
    """What clients have sent to end actions, over the network that loses an answer."""
    return []


@pytest.fixture
def network(web: Process, puts: list[bytes]) -> Iterator[str]:
    """The address of what stands between client and service, and loses the answer to the first PUT."""

    def cut(_: int, data: bytes) -> Cut | None:
        if not data.startswith(b"PUT "):
            return None
        puts.append(data)
        return "after" if len(puts) == 1 else None

    with Proxy(web.port, cut) as proxy:
        yield f"http://127.0.0.1:{proxy.port}"


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx2.TransportError:
        return False


def boards(client: Process) -> list[list[dict[str, Any]]]:
    """The boards that a client has shown so far."""
    assert client.popen.poll() is None, f"it ended with {client.popen.returncode}:\n{client.output()}"
    return [json.loads(line) for line in client.output().splitlines() if line.startswith("[") and line.endswith("]")]


def scores(client: Process) -> dict[str, int]:
    """The newest board that a client has shown."""
    shown = boards(client)
    return {row["username"]: row["score"] for row in shown[-1]} if shown else {}


@pytest.mark.parametrize("name", NAMES)
def test_client_plays_and_keeps_showing_the_board(
    service: Service,
    stores: Stores,
    web: Process,
    network: str,
    puts: list[bytes],
    alice: Player,
    bob: Player,
    name: str,
) -> None:
    environment = stores.environment(
        SCOREBOARD_URL=network, SCOREBOARD_USER=alice.username, SCOREBOARD_PASSWORD=PASSWORD
    )
    client = service.start(name, [*command(name), str(CLIENTS / name)], environment)
    eventually(lambda: scores(client).get(alice.username) == 10, within=20, what=f"the board ({client.log})")
    assert client.output().startswith("10 points")
    assert len(puts) >= 2, "the first lost its answer"
    assert alice.http.get(f"/users/{alice.user_id}").json()["totalScore"] == 10

    bob.score()
    eventually(lambda: scores(client).get(bob.username) == 10, within=10, what=f"another's points ({client.log})")

    web.stop()
    eventually(lambda: not answers(network), within=5, what="a service that is away")
    again = service.web(port=web.port)
    bob.score()
    eventually(lambda: scores(client).get(bob.username) == 20, within=45, what=f"the board, again ({client.log})")
    client.popen.terminate()
    client.popen.wait(25)
    assert "Traceback" not in client.output()
    again.stop()


def test_clients_are_all_tested_and_named() -> None:
    """A client that is added belongs into the list above, and into the README beside it."""
    there = {path.name for path in CLIENTS.iterdir()} - {"README.md"}
    assert there == set(NAMES)
    named = (CLIENTS / "README.md").read_text()
    assert all(f"({name})" in named for name in there)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_password_is_told_in_one_line(stores: Stores, web: Process, name: str) -> None:
    environment = {"SCOREBOARD_URL": web.url, "SCOREBOARD_USER": unique("nobody")}
    done = stores.run(*command(name), str(CLIENTS / name), **environment)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "The username or the password is wrong." in line
