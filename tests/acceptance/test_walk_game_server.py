"""docs/walks/game-server.md works as it stands: a server reports a lap by its key, twice, and it counts once."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

from tests.support.service import ROOT, Service, eventually

PAGE = (ROOT / "docs" / "walks" / "game-server.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the page's blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_game_server_reports_a_lap_twice_and_it_counts_once(service: Service, tmp_path: Path) -> None:
    (rule,), (program,) = blocks("toml"), blocks("python")
    make_key, report = blocks("bash")
    assert len([line for line in program.splitlines() if line.strip()]) <= 20
    scoring = tmp_path / "scoring.toml"
    scoring.write_text((ROOT / "config" / "scoring.toml").read_text() + rule)
    (tmp_path / "game_server.py").write_text(program)
    web = service.web(SCORING_FILE=str(scoring))
    service.worker(SCORING_FILE=str(scoring))
    service.beat()

    def typed(script: str) -> str:
        done = subprocess.run(
            ["bash", "-eu", "-c", script.replace("bin/manage", f"PYTHONPATH={ROOT} {sys.executable} -m app.cli")],
            cwd=tmp_path,
            env=service.stores.environment(SCOREBOARD_URL=web.url),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert typed(make_key) == ""
    assert (tmp_path / "game-server.key").stat().st_mode & 0o077 == 0
    first, second = typed(report).splitlines()
    assert first.startswith("201: 25 points for Ada Lovelace, 83456 ms, action ")
    assert second == first.replace("201:", "200:")

    def board() -> list[dict[str, Any]]:
        return list(httpx2.get(f"{web.url}/top-scores").json())

    (row,) = eventually(board, what="the board")
    assert (row["displayName"], row["score"]) == ("Ada Lovelace", 25)
    (action,) = service.stores.rows("SELECT score, value, settlement FROM actions")
    assert tuple(action[:2]) == (25, 83456)
