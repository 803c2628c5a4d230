"""The rows about starting: from `bin/dev`, and from `git clone`, to the first answer, each with data of its own."""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.report import ROOT
from bench.row import Row, say, under
from bench.stack import free_port, wait_for
from dev.procfile import PORTS
from dev.service import kill_group

PARTS = ("app", "bin", "config", "db", "dev", "tasks", "telemetry", "workers")
OURS = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")


def starting(turns: int, most: float) -> Row:
    """Start everything, wait for the board, stop; the first start, which makes the data, doesn't count."""
    say("from bin/dev to the first 200")
    with tempfile.TemporaryDirectory(prefix="scoreboard-bench-") as directory:
        copy = Path(directory)
        _copy(copy)
        took = [_start(copy) for _ in range(1 + turns)]
    say("    " + ", ".join(f"{seconds:.1f}" for seconds in took[1:]) + f" s, the first time {took[0]:.1f} s")
    median = statistics.median(took[1:])
    note = f"the first time, with the databases made, {took[0]:.1f} s"
    return Row(
        "from `bin/dev` (warm) to the first 200 of GET /top-scores, s", median, None, (under(most, median, "s"),), note
    )


def from_clone(most: float) -> Row:
    """Clone the last commit and start everything, as on a machine that has only Python, git and bash.

    Once with nothing kept by pip and uv, which counts, and once more with what they have kept: the difference is what
    the downloads take.
    """
    say("from git clone to the first 200, which downloads all packages")
    with tempfile.TemporaryDirectory(prefix="scoreboard-bench-") as directory:
        caches = {name: f"{directory}/{name}" for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR", "XDG_CACHE_HOME")}
        first, again = (_clone_and_start(Path(directory) / name, caches) for name in ("first", "again"))
    say(f"    {first:.1f} s, with the packages at hand {again:.1f} s")
    note = f"with the packages at hand {again:.1f} s; measured once"
    return Row("from `git clone` to the first 200 of GET /top-scores, s", first, None, (under(most, first, "s"),), note)


def _clone_and_start(to: Path, caches: Mapping[str, str]) -> float:
    began = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(to)], check=True)
    cloned = time.monotonic() - began
    # The environment of the checkout may have an uv, which a fresh machine has not.
    ours = str(Path(sys.prefix) / "bin")
    path = os.pathsep.join(it for it in os.environ["PATH"].split(os.pathsep) if it != ours)
    return cloned + _start(to, {**caches, "PATH": path})


def _copy(to: Path) -> None:
    """Copy what runs. The environment is linked to, all but its stamp, which holds the place of the checkout."""
    for part in PARTS:
        shutil.copytree(ROOT / part, to / part)
    for file in (*ROOT.glob("requirements*.txt"), ROOT / "Procfile"):
        shutil.copy2(file, to)
    venv = to / ".venv"
    venv.mkdir()
    for file in Path(sys.prefix).iterdir():
        if file.name.startswith("stamp-"):
            _, rest = file.read_text().split("\n", 1)
            (venv / file.name).write_text(f"{to.resolve()}\n{rest}")
        else:
            (venv / file.name).symlink_to(file)


def _start(copy: Path, more: Mapping[str, str] | None = None) -> float:
    ports = {variable: str(free_port()) for variable in PORTS}
    env = {**{name: value for name, value in os.environ.items() if name not in OURS}, **ports, **(more or {})}
    began = time.monotonic()
    with (copy / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            ["bin/dev"], cwd=copy, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(int(ports["PORT"]), "/top-scores", within=300)
        wait_for(int(ports["PORT"]), "/", b"<title")
        return time.monotonic() - began
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        finally:
            kill_group(process.pid)
