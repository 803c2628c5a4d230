"""The processes of the Procfile on stores of their own, with players, tokens and high limits."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import sqlalchemy as sa

from bench.crowd import Crowd, CrowdPlan
from bench.load import Plan, Result
from bench.paced import Paced, PacedPlan
from bench.push import Pushed, PushPlan
from config import settings
from db import engine
from dev.procfile import ROOT, read_procfile
from dev.service import environment, kill_group, shell

HIGH_FRAUD = """
[velocity]
completions_per_minute = 1000000
[burst]
points_per_minute = 100000000
robust_z = 1000000.0
min_history = 30
[shared_ip]
accounts = 5
completions_per_minute = 1000000
[suspend]
held_in_24h = 3
"""
SECRET_KEY = secrets.token_hex(32)
LIMITS = ("CREATE", "COMPLETE", "ACTIONS", "USER", "IP", "WS", "LOGIN_IP", "LOGIN_ACCOUNT", "KEY")


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """A running service; `port` is its first web process's."""

    directory: Path
    env: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    port: int = 0
    root: Path = ROOT

    def start(self, name: str, line: str, **env: str) -> None:
        """Start a line of the Procfile in a session of its own."""
        with (self.directory / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                shell(line),
                cwd=self.root,
                env={**environment(), **programs_of(self.root), **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_web(self, name: str, line: str = "", processes: int = 1) -> int:
        """Start one more web dyno, by another line than the Procfile's if one is given; give its port."""
        port = free_port()
        env = {**self.env, "PORT": str(port), "WEB_CONCURRENCY": str(processes)}
        self.start(name, line or read_procfile(self.root / "Procfile")["web"], **env)
        wait_for(port, "/readyz", b'"worker":"ok"')
        return port

    def start_worker(self, number: int) -> None:
        """Start one more worker."""
        line = read_procfile(self.root / "Procfile")["worker"]
        self.start(f"worker-{number}", f"{line} -n bench{number}@%h", **self.env)

    def end(self, name: str) -> None:
        """Stop one process, and wait until it has ended."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(25)
        kill_group(process.pid)

    def stop(self) -> None:
        """Stop everything, as a platform does."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(25)
            kill_group(process.pid)

    def problems(self) -> list[str]:
        """Return the lines of the logs that say that something went wrong."""
        bad = ("ERROR", "CRITICAL", "Traceback", "WARNING ", '"WARNING"')
        found = []
        for log in sorted(self.directory.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            found += [f"{log.stem}: {line}" for line in lines if any(word in line for word in bad)]
        return found


@contextlib.contextmanager
def stack(*, root: Path = ROOT, **env: str) -> Iterator[Stack]:
    """Run the service with everything switched on: limits with high numbers, fraud rules, sweep, Flower.

    Args:
        root: the folder of the code; another than this one has an environment of its own.
    """
    lines = read_procfile(root / "Procfile")
    with tempfile.TemporaryDirectory(prefix="scoreboard-bench-") as directory:
        fraud = Path(directory) / "fraud.toml"
        fraud.write_text(HIGH_FRAUD)
        common = {
            **{f"RATE_LIMIT_{name}": "100000000/minute" for name in LIMITS},
            "FRAUD_FILE": str(fraud),
            "TRUSTED_PROXIES": "127.0.0.0/8",
            "APP_ENV": "production",
            "SECRET_KEY": SECRET_KEY,
            "FLOWER_BASIC_AUTH": f"bench:{secrets.token_hex(16)}",
            "METRICS_TOKEN": secrets.token_hex(16),
            "WS_MAX_PER_USER": "10000",
            "WS_MAX_PER_IP": "10000",
            "WORKER_METRICS_PORT": "0",
            **env,
        }
        running = Stack(Path(directory), common, root=root)
        try:
            running.start_worker(0)
            running.start("beat", lines["beat"], **common)
            running.start("flower", lines["flower"], **common, FLOWER_PORT=str(free_port()))
            running.port = running.start_web("web")
            yield running
        finally:
            running.stop()


def programs_of(root: Path) -> dict[str, str]:
    """Return the variables by which a folder's code runs in its own environment."""
    if root == ROOT:
        return {}
    venv = root / ".venv"
    return {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "VIRTUAL_ENV": str(venv)}


def wait_for_port(port: int, within: float = 30.0) -> None:
    """Wait until a server listens."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


def wait_for(port: int, path: str, words: bytes = b"", within: float = 30.0) -> None:
    """Wait until a path answers 200 with these words in it."""
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
                if words in answer.read():
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"port {port} does not answer {path}")
        time.sleep(0.05)


def database() -> sa.Engine:
    """Open the database of the environment."""
    return engine.connect(settings.load_or_exit().database_url, engine.OPERATOR, pool_size=4, name="bench")


def load(plan: Plan) -> Result:
    """Run a plan in a process of its own."""
    return msgspec.json.decode(_apart("bench.load", plan, plan.seconds), type=Result)


def push(plan: PushPlan) -> Pushed:
    """Run a plan of boards in a process of its own."""
    return msgspec.json.decode(_apart("bench.push", plan, plan.seconds), type=Pushed)


def crowd(plan: CrowdPlan) -> Crowd:
    """Run a plan of many sockets in a process of its own."""
    return msgspec.json.decode(_apart("bench.crowd", plan, plan.seconds), type=Crowd)


def paced(plan: PacedPlan) -> Paced:
    """Run a plan of requests at a rate in a process of its own."""
    return msgspec.json.decode(_apart("bench.paced", plan, plan.seconds), type=Paced)


def _apart(module: str, plan: Plan | PushPlan | CrowdPlan | PacedPlan, seconds: float) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(msgspec.json.encode(plan))
        file.flush()
        command = [sys.executable, "-m", module, file.name]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=seconds + 90, check=False)
    if done.returncode:
        raise RuntimeError(f"the load failed: {done.stderr.decode().strip().splitlines()[-1]}")
    return done.stdout
