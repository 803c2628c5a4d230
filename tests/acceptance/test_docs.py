"""What README and docs tell people to type works as it stands."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.access import client_address
from config import settings, values
from dev.embedded.postgres import binaries
from dev.procfile import read_procfile
from tests.support.service import ROOT, Process, Service, eventually
from tests.support.shell import manage

BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def block(page: str, heading: str, number: int = 0) -> str:
    """Return a shell block under a heading of a page, the first one unless told."""
    sections = re.split(r"^##+ ", (ROOT / page).read_text(), flags=re.MULTILINE)
    (section,) = (text for text in sections if text.startswith(f"{heading}\n"))
    found: str = BLOCK.findall(section)[number]
    return found


@pytest.fixture(scope="module")
def running(service: Service) -> Process:
    """What bin/dev starts: the demo players, web, worker and beat."""
    environment = service.stores.environment(PASSWORD="demo-password")
    for command in (["demo"], ["create-admin", "ada"]):
        subprocess.run(["python", "-m", "app.cli", *command], cwd=ROOT, env=environment, check=True, timeout=30)
    service.worker()
    service.beat()
    return service.web()


def typed(service: Service, script: str, directory: Path, **more: str) -> str:
    """Type commands into a shell of their own, and give what they print."""
    done = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=directory,
        env=service.stores.environment(**more),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(service: Service, running: Process, script: str, directory: Path) -> list[Any]:
    """Type commands that ask the running service, and give its answers."""
    script = script.replace("localhost:8000", f"127.0.0.1:{running.port}")
    printed = typed(service, script, directory, PASSWORD="demo-password")
    return [json.loads(line) for line in printed.replace("}[", "}\n[").splitlines() if line]


def test_walk_through_of_the_readme_shows_the_board(running: Process) -> None:
    script = block("README.md", "Try it").replace(".venv/bin/python", sys.executable)
    environment = {**os.environ, "SCOREBOARD_URL": running.url}
    shell = subprocess.Popen(
        ["bash", "-eu", "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, start_new_session=True
    )
    assert shell.stdout is not None
    try:
        assert shell.stdout.readline() == b"10 points\n"
        # The board as it is comes first, which may not have the points yet; pytest's own time limit ends the wait.
        boards = (json.loads(line) for line in shell.stdout)
        (alice,) = next(board for board in boards if board)
        assert (alice["username"], alice["score"], alice["rank"]) == ("alice", 10, 1)
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
        shell.stdout.close()


def test_walk_through_of_moderation(service: Service, running: Process, tmp_path: Path) -> None:
    told = answers(service, running, block("docs/moderating.md", "Moderation"), tmp_path)
    adjusted, suspended, board, reinstated, hidden, shown, renamed, held, off, on, audit, stats = told
    assert (adjusted["username"], adjusted["totalScore"]) == ("bob", 250)
    assert suspended["status"] == "suspended"
    assert "bob" not in [row["username"] for row in board]
    assert reinstated["status"] == "active"
    assert (hidden["hidden"], shown["hidden"]) == (True, False)
    assert renamed["displayName"] == "Bob 🎲"
    assert held == {"items": [], "nextCursor": None}
    assert (off["enabled"], on["enabled"]) == (False, True)
    assert {check["name"] for check in audit["checks"]} >= {"total-scores", "standings", "top-scores"}
    assert stats["users"] == 5
    eventually(lambda: "bob" in json.dumps(_board(running)), within=5, what="bob on the board")


def test_commands_of_an_event_work_in_their_order(
    service: Service, running: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^ *bin/manage (.+)$", "".join(BLOCK.findall((ROOT / "docs/event.md").read_text())), re.M)
    assert [it.split()[0] for it in commands] == [
        *("create-join-code", "trust-network", "list-networks", "freeze", "flag", "flag"),
        *("reveal", "audit", "export", "distrust-network"),
    ]
    for command in commands:
        done = manage(service.stores, *shlex.split(command))
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert (tmp_path / "standings.csv").read_text().count("\n") >= 1
    events = service.stores.rows("SELECT kind FROM audit_events WHERE actor = 'shell' ORDER BY id DESC LIMIT 1")
    assert events == [("network_removed",)]


def test_new_keys_are_taken(service: Service, tmp_path: Path) -> None:
    secret, public, shared = typed(service, block("docs/operating.md", "Keys"), tmp_path).splitlines()
    assert values.secret(secret) == secret
    assert values.signing_key(public).algorithm == "ed25519"
    assert values.signing_key(shared).algorithm == "hmac"


def test_backup_is_restored_under_running_processes(service: Service, running: Process, tmp_path: Path) -> None:
    path = f"{binaries()}{os.pathsep}{service.stores.environment()['PATH']}"
    before = service.stores.rows("SELECT id, total_score FROM users ORDER BY id")
    script = block("docs/backup.md", "Back up and restore")

    def restored() -> bool:
        try:
            typed(service, script, tmp_path, PATH=path)
        except AssertionError as error:
            if "deadlock detected" not in str(error):  # as the page says: then run it again
                raise
            return False
        return True

    def audited() -> bool:
        return service.stores.run(sys.executable, "-m", "app.cli", "audit").returncode == 0

    eventually(restored, within=30, what="a restoration that is not in a deadlock's way")
    assert service.stores.rows("SELECT id, total_score FROM users ORDER BY id") == before
    eventually(audited, within=15, what="an audit that finds nothing")


def test_settings_for_compose_are_taken(service: Service, tmp_path: Path) -> None:
    typed(service, block("docs/deploy.md", "With compose"), tmp_path)
    written = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    compose = (ROOT / "docker-compose.yml").read_text()
    assert all(f"{name}:" in compose for name in written)
    assert set(re.findall(r"\$\{(\w+):\?", compose)) <= written.keys()
    settings.load({**service.stores.environment(), "APP_ENV": "production", **written})


def test_platform_settings_and_scales_exist() -> None:
    text = "".join((ROOT / page).read_text() for page in ("docs/deploy.md", "docs/operating.md"))
    command = re.compile(r"heroku (config:set|config:unset|ps:scale) ((?:[^`\n\\]|\\\n)+)")
    told: dict[str, list[str]] = {}
    for kind, words in command.findall(text):
        told.setdefault(kind.partition(":")[0], []).extend(re.findall(r"(?:^|\s)([A-Za-z_]+)(?:=|$)", words))
    assert {"SECRET_KEY", "TRUSTED_PROXIES", "WEB_CONCURRENCY", "SECRET_KEYS_RETIRED"} <= set(told["config"])
    known = (ROOT / "docs" / "contract.md").read_text().partition("## 3.")[0]
    assert all(f"`{name}`" in known for name in told["config"])
    assert set(told["ps"]) == read_procfile(ROOT / "Procfile").keys() - {"release"}


def test_warning_that_is_quoted_is_the_one_that_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client_address, "_warned", False)
    scope = {"client": ("10.1.47.12", 5), "headers": [(b"x-forwarded-for", b"203.0.113.9")]}
    client_address.ClientAddresses(()).of(scope)
    (line,) = caplog.messages
    assert f"\n{line}\n" in (ROOT / "docs" / "deploy.md").read_text()


def _board(running: Process) -> object:
    return httpx2.get(f"{running.url}/top-scores").json()
