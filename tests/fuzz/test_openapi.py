"""Schemathesis asks the running service everything that /openapi.json allows, and much that it doesn't."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores

CASES = int(os.environ.get("FUZZ_CASES", "2500"))
"""Requests of the large run at least; `bin/fuzz` asks for more."""

pytestmark = pytest.mark.timeout(300 + CASES / 10)
EXCLUDED = ("--exclude-path=/auth/logout", "--exclude-path=/top-scores/stream")
"""What would end the token, and what never ends."""
EXCEPTIONS = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def worker(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Process:
    """A worker without fraud rules, which would suspend who plays so fast."""
    rules = tmp_path_factory.mktemp("rules") / "fraud.toml"
    rules.write_text("")
    service.beat()
    return service.worker(FRAUD_FILE=str(rules))


def others(web: Process) -> list[str]:
    """Make players with settled actions, and give their ids."""
    ids = []
    for _ in range(5):
        player = Player(web.url, unique("player"))
        player.score(20)
        ids.append(player.user_id)
        player.close()
    return ids


def fuzz(directory: Path, url: str, player: Player, ids: dict[str, list[str]], *options: str) -> Any:
    """Let Schemathesis ask as this player, with these ids to choose from, and return its report."""
    lines = [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n" for name, values in ids.items()]
    config, report = directory / "schemathesis.toml", directory / "report.json"
    config.write_text(EXCEPTIONS.read_text() + "\n" + "\n".join(lines))
    command = [
        f"{Path(sys.executable).parent}/schemathesis",
        f"--config-file={config}",
        "run",
        f"{url}/openapi.json",
        f"--header=Authorization: Bearer {player.token}",
        "--continue-on-failure",
        "--generation-deterministic",
        f"--report-json-path={report}",
        "--report=json",
        *options,
    ]
    run = subprocess.run(command, cwd=directory, timeout=240 + CASES / 10)
    found = json.loads(report.read_text())
    assert run.returncode == 0, json.dumps(found["failures"], indent=1)
    assert found["complete"]
    return found


@pytest.mark.parametrize("who", ["player", "operator"])
def test_answers_never_fail_nor_differ_from_the_description(
    who: str, web: Process, worker: Process, stores: Stores, alice: Player, operator: Player, tmp_path: Path
) -> None:
    player = operator if who == "operator" else alice
    users = others(web)
    own = [player.started() for _ in range(200)]
    for action_id in own[:50]:
        player.end(action_id)
    theirs = [str(row[0]) for row in stores.rows("SELECT id FROM actions WHERE user_id::text = ANY(:ids)", ids=users)]
    ids = {"self": [player.user_id], "own-actions": own, "flags": ["broadcast"], "users": users, "actions": theirs}
    operations = sum(len(methods) for methods in player.http.get("/openapi.json").json()["paths"].values())
    examples = CASES // 2 // 20  # some operations take nothing that could be varied
    found = fuzz(tmp_path, web.url, player, ids, f"--max-examples={examples}", *EXCLUDED)
    assert found["operations"]["tested"] == operations - 3, "all but these two and the description itself"
    assert found["test_cases"]["generated"] >= CASES / 2
    assert player.http.get(f"/users/{player.user_id}").status_code == 200, "it asked in vain"
    if who == "operator":
        in_vain = set(found["warnings"]["missing_auth"])
        assert not {it for it in in_vain if "/admin/" in it}, in_vain
    assert "Traceback" not in web.output()
    assert stores.run("bin/manage", "audit").returncode == 0, stores.run("bin/manage", "audit").stdout


def test_nor_is_any_of_a_logout(web: Process, alice: Player, tmp_path: Path) -> None:
    ids: dict[str, list[str]] = {name: ["none"] for name in ("self", "own-actions", "flags", "users", "actions")}
    found = fuzz(tmp_path, web.url, alice, ids, "--include-path=/auth/logout", "--max-examples=20")
    assert found["operations"]["tested"] == 1
    assert alice.http.get(f"/users/{alice.user_id}").status_code == 401
