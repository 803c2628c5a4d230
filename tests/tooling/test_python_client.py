"""The Python client as its wheel has it: typed, and before a service that runs."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

from config.version import VERSION
from tests.support.keys import add_key
from tests.support.network import Cut, Proxy
from tests.support.people import PASSWORD, Listener, Player, listener
from tests.support.service import BIN, ROOT, Process, Service, Stores, eventually

SOURCE = ROOT / "clients" / "python"
PROGRAMS = SOURCE / "tests"
PINS = [f"--constraints={ROOT / f'requirements{name}.txt'}" for name in ("", "-dev", "-lint")]
SIGNING_KEY = f"ed25519:{base64.b64encode(b'seed' * 8).decode()}"

pytestmark = pytest.mark.timeout(300)


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Run a command to its end, and return what it says."""
    words, env = [str(word) for word in command], {**os.environ, **environment}
    done = subprocess.run(
        words, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    run(uv(), "build", "--wheel", "--out-dir", folder, folder / "source", cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """Somebody's Python, with the wheel and what it needs."""
    folder = wheel.parent / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    names = [f"scoreboard-client[signatures] @ {wheel.as_uri()}", "mypy"]
    run(uv(), "pip", "install", "--python", folder / "bin/python", *PINS, *names, cwd=wheel.parent)
    return folder / "bin/python"


def uv() -> str:
    return shutil.which("uv") or str(BIN / "uv")


@pytest.fixture(scope="module", autouse=True)
def background(service: Service) -> None:
    service.worker(SIGNING_KEY=SIGNING_KEY)
    service.beat()


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    return service.web(SIGNING_KEY=SIGNING_KEY)


def test_wheel_has_version_licence_and_types_and_needs_little(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        said = Parser().parsestr(archive.read(about).decode())
        (licence,) = (name for name in names if name.endswith("/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert (said["Version"], said["License-Expression"]) == (VERSION, "MIT")
    assert said["Requires-Python"] == ">=3.11"
    assert "async for board in" in said.get_payload()
    needed = [it for it in said.get_all("Requires-Dist", []) if "extra" not in it]
    assert sorted(re.split(r"\W", it)[0] for it in needed) == ["httpx2", "websockets"]
    assert {name.partition("/")[0] for name in names} == {"scoreboard_client", about.partition("/")[0]}
    assert "scoreboard_client/py.typed" in names


def test_types_take_what_users_write_and_refuse_what_is_wrong(python: Path, tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "uses.py", tmp_path)
    cache = ROOT / ".local" / "generated" / "mypy-client"
    run(python, "-m", "mypy", "--strict", "--cache-dir", cache, "uses.py", cwd=tmp_path)


def test_parts_do_what_they_say(python: Path, tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "test_parts.py", tmp_path)
    run(python, "-W", "error", "-m", "unittest", "test_parts", cwd=tmp_path)


def test_example_of_the_readme_runs(python: Path, web: Process, stores: Stores, tmp_path: Path) -> None:
    example = re.findall(r"```python\n(import.*?)```", (SOURCE / "README.md").read_text(), re.S)[0]
    (tmp_path / "example.py").write_text(example.replace("demo-password", PASSWORD))
    player = listener(stores, "reader")
    said = run(python, "example.py", cwd=tmp_path, SCOREBOARD_URL=web.url, SCOREBOARD_USER=player.username)
    first, *_, last = said.splitlines()
    assert first == "10 points, 10 in all"
    assert f"{player.username} 10" in last


def test_each_is_done_once_over_a_network_that_loses_answers(
    python: Path, web: Process, stores: Stores, tmp_path: Path
) -> None:
    player, lost = listener(stores, "player"), []

    def cut(_: int, data: bytes) -> Cut | None:
        """Lose the first answer of each kind, and each second one to what starts or reports an action."""
        for kind in (b"POST /auth/login", b"PUT /users/me", b"PUT /users/external", b"PUT /users/", b"GET /users/"):
            if data.startswith(kind) and kind not in lost:
                lost.append(kind)
                return "after"
        if re.match(rb"POST /users/[^/]+/actions", data):
            lost.append(b"actions")
            return "after" if lost.count(b"actions") % 2 else None
        return None

    key = add_key(stores, "actions", "users")
    with Proxy(web.port, cut) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        said = json.loads(run(python, PROGRAMS / "play.py", url, player.username, PASSWORD, key, cwd=tmp_path))
    assert len(set(lost)) == 6, "each kind has lost an answer"
    assert said == {
        "user": True,
        "metadata": {"level": 3},
        "completed": ["completed", 10],
        "again": [True, 10],
        "given up": "cancelled",
        "total": 10,
        "refused": "409 action-cancelled, 401 unauthorized",
        "name": "Ada 🦊",
        "one lap": True,
        "their total": 20,
        "board": True,
    }
    ended = "SELECT status, count(*) FROM actions WHERE user_id = :id GROUP BY 1 ORDER BY 1"
    assert stores.rows(ended, id=player.user_id) == [("cancelled", 1), ("completed", 1)]


class Follower:
    """`follow.py` as a process, and what it has said."""

    def __init__(self, service: Service, stores: Stores, python: Path, url: str, **options: str) -> None:
        words = [f"{name}={value}" for name, value in options.items()]
        command = [str(python), str(PROGRAMS / "follow.py"), url, *words]
        self.process = service.start("follower", command, stores.environment())

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.process.output().splitlines() if line.startswith("{")]

    def last(self) -> dict[str, Any]:
        """Return the last change that it told."""
        nothing: dict[str, Any] = {}
        return next((it for it in reversed(self.said()) if "error" not in it), nothing)

    def shows(self, player: Player, points: int) -> None:
        """Wait until the board that it shows, live, has these points."""
        eventually(
            lambda: self.last().get("state") == "live" and (self.last()["rows"] or {}).get(player.username) == points,
            within=30,
            what=f"{points} points ({self.process.log})",
        )

    def sees(self, *, within: float = 30, **wanted: Any) -> dict[str, Any]:
        """Wait until the last that it said is this."""

        def look() -> dict[str, Any] | None:
            last = self.last()
            return last if {name: last.get(name) for name in wanted} == wanted else None

        said = eventually(look, within=within, what=f"{wanted} ({self.process.log})")
        assert said is not None
        return said

    def ids(self) -> list[str]:
        """The boards that it has given, each as often as it came anew."""
        every = [it["id"] for it in self.said() if it.get("id")]
        return [id for id, before in zip(every, [None, *every], strict=False) if id != before]


@pytest.fixture
def narrow(web: Process) -> Iterator[str]:
    """The address of what lets neither sockets nor streams through."""

    def cut(_: int, data: bytes) -> Cut | None:
        return "before" if data.startswith((b"GET /ws", b"GET /top-scores/stream")) else None

    with Proxy(web.port, cut) as proxy:
        yield f"http://127.0.0.1:{proxy.port}"


def test_follower_is_told_of_a_suspension(
    service: Service, stores: Stores, web: Process, python: Path, operator: Player
) -> None:
    user: Listener = listener(stores, "cheat")
    follower = Follower(service, stores, python, web.url, token=user.token)
    follower.sees(state="live", via="socket")
    assert operator.http.post(f"/admin/users/{user.user_id}/suspend", json={"reason": "a test"}).status_code == 200
    follower.sees(status=4403, code="user-suspended")


def test_board_is_followed_through_all_its_states(
    service: Service, stores: Stores, web: Process, narrow: str, python: Path, operator: Player, alice: Player
) -> None:
    def begin(url: str = web.url, **options: str) -> Follower:
        return Follower(service, stores, python, url, **options)

    spectator, player, poller = begin(keys="service"), begin(token=alice.token), begin(narrow)
    stranger, lost = begin(token="wrong"), begin(board="nowhere")
    forger = begin(keys=f"hmac:{base64.b64encode(b'another' * 5).decode()}")
    live = [(spectator, "stream"), (player, "socket"), (poller, "poll")]
    for it, way in live:
        it.sees(state="live", via=way)
    stranger.sees(status=401, code="unauthorized")
    lost.sees(status=404, code="not-found")

    alice.score()
    for it, _ in live:
        it.shows(alice, 10)

    def flag(enabled: bool) -> None:
        assert operator.http.put("/admin/flags/broadcast", json={"enabled": enabled}).status_code == 200

    flag(False)
    for it, _ in live:
        it.sees(state="paused")
    alice.score()
    flag(True)
    for it, _ in live[:2]:
        it.shows(alice, 20)
    for path, state in (("freeze", "frozen"), ("thaw", "live")):
        assert operator.http.post(f"/admin/boards/all-time/{path}", json={"reason": "a test"}).status_code == 200
        for it, _ in live[:2]:
            it.sees(state=state)

    web.stop()
    for it, _ in live:
        it.sees(state="reconnecting")
    again = service.web(port=web.port, SIGNING_KEY=SIGNING_KEY)
    for it, _ in live[:2]:
        it.sees(state="live", within=60)  # by whatever way got through first
    seen = spectator.ids()[-1]
    later = begin(after=seen)
    later.sees(state="live", id=None)
    alice.score()
    for it in (spectator, player, later):
        it.shows(alice, 30)
    assert seen not in later.ids()
    for it, _ in live:
        versions = [int(id.rpartition("-")[2]) for id in it.ids()]
        assert versions == sorted(set(versions)), "nothing twice, nothing older"
    assert {it["error"] for it in forger.said() if "error" in it} == {"unknown-key"}
    assert not forger.ids()
    assert all("Traceback" not in it.process.output() for it in (spectator, player, poller, stranger, lost, later))
    again.stop()
