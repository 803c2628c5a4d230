"""What README and docs tell people to type works as it stands."""

import json
import re
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.service import ROOT, Process, Service, eventually

BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def running(service: Service) -> Process:
    """What bin/dev starts: the demo players, web, worker and beat."""
    environment = service.stores.environment(PASSWORD="demo-password")
    for command in (["demo"], ["create-admin", "ada", "--email", "ada@example.org"]):
        subprocess.run(["python", "-m", "app.cli", *command], cwd=ROOT, env=environment, check=True, timeout=30)
    service.worker()
    service.beat()
    return service.web()


def typed(service: Service, running: Process, page: str, directory: Path) -> list[str]:
    """Type the first shell block of a page, at the address of the process, and give the lines it prints."""
    found = BLOCK.search((ROOT / page).read_text())
    assert found is not None, page
    script = found[1].replace("localhost:8000", f"127.0.0.1:{running.port}")
    done = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=directory,
        env=service.stores.environment(PASSWORD="demo-password"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.replace("}[", "}\n[").splitlines() if line]


def test_the_walk_through_of_the_readme(service: Service, running: Process, tmp_path: Path) -> None:
    *_, completed, board = (json.loads(line) for line in typed(service, running, "README.md", tmp_path))
    assert (completed["status"], completed["totalScore"]) == ("completed", 10)
    assert [(row["username"], row["score"], row["rank"]) for row in board] == [("alice", 10, 1)]


def test_the_walk_through_of_moderation(service: Service, running: Process, tmp_path: Path) -> None:
    answers = [json.loads(line) for line in typed(service, running, "docs/operations.md", tmp_path)]
    adjusted, suspended, board, reinstated, held, off, on, audit, stats = answers
    assert (adjusted["username"], adjusted["totalScore"]) == ("bob", 250)
    assert suspended["status"] == "suspended"
    assert "bob" not in [row["username"] for row in board]
    assert reinstated["status"] == "active"
    assert held == {"items": [], "nextCursor": None}
    assert (off["enabled"], on["enabled"]) == (False, True)
    assert {check["name"] for check in audit["checks"]} >= {"total-scores", "standings", "top-scores"}
    assert stats["users"] == 4
    eventually(lambda: "bob" in json.dumps(_board(running)), within=5, what="bob on the board")


def _board(running: Process) -> object:
    return httpx2.get(f"{running.url}/top-scores").json()
