import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tooling.test_embedded import alive, wait_for

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable


class Run:
    """A runner in the background, and what it has written so far."""

    def __init__(self, procfile: Path, *args: str) -> None:
        self.log = procfile.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [PYTHON, "-m", "dev.procfile", "--procfile", procfile, "run", *args],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def wait_for_line(self, text: str, times: int = 1) -> list[str]:
        wait_for(lambda: sum(text in line for line in self.lines()) >= times)
        return [line for line in self.lines() if text in line]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(lines: dict[str, str], *args: str) -> Run:
        for name, text in lines.items():
            (tmp_path / f"{name}.py").write_text(text)
        procfile = tmp_path / "Procfile"
        procfile.write_text("".join(f"{name}: {PYTHON} {tmp_path / name}.py\n" for name in lines))
        runs.append(Run(procfile, *args))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


CALM = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
def leave(number, frame):
    state = child.poll()
    child.kill()
    print("signal", number, "child", state, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("pids", os.getpid(), child.pid, flush=True)
while True:
    signal.pause()
"""
STUBBORN = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("pids", os.getpid(), child.pid, flush=True)
while True:
    signal.pause()
"""


def pids(line: str) -> list[int]:
    return [int(word) for word in line.rpartition("pids ")[2].split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_asks_the_parents_only_and_waits_for_them(start: Callable[..., Run], number: signal.Signals) -> None:
    run = start({"one": CALM, "two": CALM})
    run.wait_for_line("pids", times=2)
    assert run.stop(number) == 0
    lines = run.lines()
    assert "one | signal 15 child None" in lines
    assert "two | signal 15 child None" in lines
    assert lines[-1] == "dev | stopped"


def test_process_that_will_not_end_is_killed_with_its_children(start: Callable[..., Run]) -> None:
    run = start({"stubborn": STUBBORN}, "--grace", "0.5")
    numbers = pids(run.wait_for_line("pids")[0])
    assert run.stop() == 0
    assert "did not end within 0.5 s: killed" in "\n".join(run.lines())
    wait_for(lambda: not any(map(alive, numbers)))


def test_process_that_dies_is_restarted_without_its_children(start: Callable[..., Run]) -> None:
    run = start({"one": CALM, "two": CALM})
    run.wait_for_line("pids", times=2)
    parent, child = pids(run.wait_for_line("one | pids")[0])
    os.kill(parent, signal.SIGKILL)
    run.wait_for_line("one | pids", times=2)
    assert not alive(child)
    assert "dev | one ended (-9), starting it again in 0.5 s" in run.lines()
    assert len(run.wait_for_line("two | pids")) == 1
    assert run.stop() == 0


def test_wait_before_a_restart_doubles(start: Callable[..., Run]) -> None:
    run = start({"short": "raise SystemExit(3)"})
    run.wait_for_line("short ended (3), starting it again in 0.5 s")
    run.wait_for_line("short ended (3), starting it again in 1 s")
    run.wait_for_line("short ended (3), starting it again in 2 s")
    assert run.stop() == 0


def test_processes_are_told_to_end_when_the_runner_is_killed(start: Callable[..., Run]) -> None:
    run = start({"one": CALM})
    numbers = pids(run.wait_for_line("pids")[0])
    run.process.kill()
    run.process.wait()
    wait_for(lambda: not any(map(alive, numbers)))


def test_release_that_fails_starts_nothing(start: Callable[..., Run]) -> None:
    run = start({"release": "print('migrating'); raise SystemExit(2)", "web": CALM})
    assert run.process.wait(30) == 1
    assert run.lines() == ["release | migrating", "dev     | release failed (2): nothing else is started"]


def test_lines_arrive_whole_and_unchanged(start: Callable[..., Run]) -> None:
    text = (
        "import sys; sys.stdout.write('x' * 200_000 + '\\n'); sys.stdout.write('käse\\n'); sys.stdout.write('no end')"
    )
    run = start({"release": text, "later": CALM})
    run.wait_for_line("pids")
    lines = run.lines()
    assert "".join(line.removeprefix("release | ") for line in lines if "xx" in line) == "x" * 200_000
    assert "release | käse" in lines
    assert "release | no end" in lines
    assert run.stop() == 0


def check(**env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.endswith("PORT")}
    command = [PYTHON, "-m", "dev.procfile", "check"]
    return subprocess.run(command, cwd=ROOT, env={**clean, **env}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("variable", ["PORT", "FLOWER_PORT", "WORKER_METRICS_PORT"])
def test_taken_port_is_one_line(variable: str) -> None:
    free = {"PORT": "0", "FLOWER_PORT": "0", "WORKER_METRICS_PORT": "0"}
    assert check(**free).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = check(**{**free, variable: str(port)})
    assert done.returncode == 1
    assert done.stderr == f"bin/dev: port {port} is taken: stop what listens there, or set {variable} to another\n"


@pytest.mark.parametrize("text", ["http", "-1", "65536"])
def test_port_that_is_none_is_one_line(text: str) -> None:
    done = check(PORT=text, FLOWER_PORT="0", WORKER_METRICS_PORT="0")
    assert (done.returncode, done.stderr) == (1, f"bin/dev: PORT={text} is not a port\n")
