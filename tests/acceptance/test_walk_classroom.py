"""The teacher's walk, docs/walks/classroom.md, works as it stands."""

import csv
import json
import re
from pathlib import Path

import httpx2

from tests.acceptance.test_docs import block, running, typed
from tests.support.service import ROOT, Process, Service, eventually

__all__ = ["running"]

PAGE = "docs/walks/classroom.md"


def test_walk_of_the_classroom(service: Service, running: Process, tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "bin").mkdir()
    # bin/manage without its set-up of an environment, which these tests run in already.
    (tmp_path / "bin" / "manage").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec python -m app.cli "$@"\n')
    (tmp_path / "bin" / "manage").chmod(0o755)

    def walk(heading: str, number: int = 0) -> str:
        script = block(PAGE, heading, number).replace("localhost:8000", f"127.0.0.1:{running.port}")
        return typed(service, script, tmp_path)

    assert (walk("The names"), walk("The names", 1)) == ("", "")
    slips = list(csv.DictReader((tmp_path / "slips.csv").read_text(encoding="utf-8").splitlines()))
    assert len(slips) == 30
    assert all(slip["password"] and slip["displayName"] for slip in slips)
    stores = service.stores
    assert stores.value("SELECT count(*) FROM users WHERE username LIKE '%.7b' AND email IS NULL") == 30

    assert json.loads(walk("The first lesson"))["totalScore"] == 10
    board = f"{running.url}/top-scores"

    def shown() -> bool:
        rows = httpx2.get(board, timeout=10).json()
        return any((row["username"], row["displayName"]) == ("zoe.7b", "Zoë") for row in rows)

    eventually(shown, what="Zoë on the board")

    token = re.fullmatch(rf"http://127\.0\.0\.1:{running.port}/#reset=(\S+)\n", walk("A lost slip"))
    assert token is not None
    body = {"token": token[1], "password": "a password of her own"}
    assert httpx2.post(f"{running.url}/auth/reset", json=body, timeout=10).status_code == 200
    old = {"username": "zoe.7b", "password": slips[-1]["password"]}
    assert httpx2.post(f"{running.url}/auth/login", json=old, timeout=10).status_code == 401
