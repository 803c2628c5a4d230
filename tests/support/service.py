"""The service as the outside meets it: real processes on real stores."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import redis
import sqlalchemy as sa

from tests.support.clock import now

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NOBODY = "9a6f3c52-0c1e-4f0e-8a55-3d2f6f7f1b11"
"""An id that nobody and nothing has."""

NO_LIMITS = {
    f"RATE_LIMIT_{name}": "off"
    for name in ("CREATE", "COMPLETE", "ACTIONS", "USER", "IP", "WS", "LOGIN_IP", "LOGIN_ACCOUNT", "KEY")
}


T = TypeVar("T")


def eventually(look: Callable[[], T], *, within: float = 10.0, what: str = "it") -> T:
    """Look until what is seen is true, and give it; fail after `within` seconds with what was seen last."""
    deadline = now() + within
    while True:
        seen = look()
        if seen:
            return seen
        if now() > deadline:
            raise AssertionError(f"{what} did not come about within {within} s; seen last: {seen!r}")
        time.sleep(0.02)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """A process of the Procfile, in a process group of its own, its output in a file."""

    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        """Signal the process itself, as a platform does."""
        self.popen.send_signal(number)

    def kill(self) -> None:
        """Kill the whole group at once."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)

    def stop(self, within: float = 25) -> int:
        """Ask the process to stop, and give its exit code; killed, with its group, when it doesn't."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            return self.popen.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {within} s") from None


@dataclass
class Stores:
    """A database and a Redis for one module of tests, migrated and empty."""

    database_url: str
    redis_url: str
    engine: sa.Engine
    redis: "redis.Redis"

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment for a process that works on these stores, without the variables of whoever runs us."""
        kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
        env = {name: os.environ[name] for name in kept if name in os.environ}
        env["PATH"] = f"{BIN}{os.pathsep}{env['PATH']}"
        return {**env, "DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url, **more}

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Run a query of a test's own."""
        with self.engine.connect() as conn:
            return list(conn.execute(sa.text(query), values).all())

    def value(self, query: str, **values: Any) -> Any:
        """Run a query of a test's own that gives one value."""
        return self.rows(query, **values)[0][0]

    def execute(self, statement: str, **values: Any) -> int:
        """Change rows behind the service's back, and give their number."""
        with self.engine.begin() as conn:
            return conn.execute(sa.text(statement), values).rowcount

    def run(self, *command: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command on these stores to its end."""
        environment = self.environment(**env)
        return subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )


@dataclass
class Service:
    """Starts the processes of the Procfile on some stores, and ends them all."""

    stores: Stores
    logs: Path
    processes: list[Process] = field(default_factory=list)

    def web(self, *, port: int | None = None, wait: bool = True, **env: str) -> Process:
        """Start a web process on a free port, rate limits off unless given, and wait until it is healthy."""
        port = port or free_port()
        environment = self.stores.environment(**{**NO_LIMITS, "PORT": str(port), **env})
        process = self.start("web", [sys.executable, "-m", "app"], environment, port)
        if wait:
            eventually(lambda: _healthy(process), within=20, what=f"a healthy web process ({process.log})")
        return process

    def worker(self, **env: str) -> Process:
        """Start a worker and wait until it is ready."""
        name = f"worker{len(self.processes)}@%h"
        command = [
            "celery",
            "-A",
            "workers.app",
            "worker",
            "--concurrency",
            "1",
            "--without-gossip",
            "--without-mingle",
            "-n",
            name,
        ]
        process = self.start("worker", command, self.stores.environment(**{"WORKER_METRICS_PORT": "0", **env}))
        eventually(lambda: "ready." in process.output(), within=20, what=f"a ready worker ({process.log})")
        return process

    def beat(self, **env: str) -> Process:
        """Start the scheduler and wait until it schedules: before that a signal ends it at once."""
        process = self.start("beat", ["celery", "-A", "workers.app", "beat"], self.stores.environment(**env))
        eventually(lambda: "process.started" in process.output(), within=20, what=f"a scheduler ({process.log})")
        return process

    def start(self, name: str, command: list[str], env: Mapping[str, str], port: int = 0) -> Process:
        """Start any process."""
        log = self.logs / f"{len(self.processes):02}-{name}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        process = Process(name, popen, log, port)
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """Stop every process that was started, the newest first."""
        for process in reversed(self.processes):
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in reversed(self.processes):
            try:
                process.popen.wait(25)
            except subprocess.TimeoutExpired:
                process.kill()
        self.processes.clear()


def _healthy(process: Process) -> bool:
    assert process.popen.poll() is None, f"it ended with {process.popen.returncode}:\n{process.output()}"
    try:
        return httpx2.get(f"{process.url}/healthz", timeout=1).status_code == 200
    except httpx2.TransportError:
        return False


def problem(answer: httpx2.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """Assert that an answer is a problem document of a status, with all that every one has, and give it."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert isinstance(body, dict)
    assert body["status"] == status
    for member in ("type", "title", "detail", "code", "requestId"):
        assert isinstance(body[member], str), body
        assert body[member], body
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", body["code"])
    assert code is None or body["code"] == code, body
    assert answer.headers["x-request-id"] == body["requestId"]
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    return body
