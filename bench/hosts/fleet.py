"""The hosts: PostgreSQL, Redis, web and worker hosts, each with its own loopback and share, and the wires between."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.hosts.kernel import Group, Namespace, enter_new_namespace, remove_abandoned
from bench.stack import HIGH_FRAUD, LIMITS, SECRET_KEY, Stack, wait_for
from dev.embedded.child import child_argv
from dev.procfile import ROOT, read_procfile
from dev.service import environment, kill_group

WEB_PORT = 8000
FIRST = 9001
"""The clients' port that leads to the first web host."""


@dataclass
class Host:
    """One host: where it is, what bounds it, and its processes by what they do."""

    name: str
    share: float
    namespace: Namespace
    group: Group
    logs: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    wires: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: Sequence[str], env: Mapping[str, str], piped: bool = False) -> subprocess.Popen[bytes]:
        """Start a process in the host's namespace and group; it ends when we do."""
        enter = ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.group.procs), *command]
        with (self.logs / f"{self.name}.log").open("ab") as log:
            process = self.namespace.run(
                lambda: subprocess.Popen(
                    child_argv(enter, signal.SIGTERM),
                    cwd=ROOT,
                    env={**environment(), **env},
                    stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if piped else log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        self.processes.append(process)
        return process

    def bound(self, share: float | None = None) -> None:
        """Give the host its share, or another one from now on; until then it starts with a whole core."""
        self.share = share or self.share
        self.group.bound(self.share)

    def kill(self) -> None:
        """End it as a power cut would."""
        for process in self.processes:
            kill_group(process.pid)
            process.wait(10)

    def stop(self) -> None:
        """Ask its processes to end."""
        with contextlib.suppress(OSError):
            self.group.bound(1.0)
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Stop its processes, cut the wires to it, and remove what it was."""
        self.stop()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            kill_group(process.pid)
            if process.stdin:
                process.stdin.close()
            if process.stdout:
                process.stdout.close()
        for wire in self.wires:
            kill_group(wire.pid)
            wire.wait(10)
        self.namespace.close()
        self.group.close()


@dataclass
class Fleet:
    """All hosts; we are the clients, in a namespace of our own."""

    postgresql: Host
    redis: Host
    web: list[Host]
    workers: list[Host]
    env: dict[str, str]
    directory: Path

    def port(self, place: int) -> int:
        """Return the port on which clients reach a web host."""
        return FIRST + place

    def start_worker(self, place: int) -> None:
        """Start the service's worker on one of the worker hosts."""
        line = read_procfile(ROOT / "Procfile")["worker"].split()
        self.workers[place].start([*line, "-n", f"worker{place}@%h"], self.env)

    def problems(self) -> list[str]:
        """Return the lines of the logs that say that something went wrong."""
        return Stack(self.directory, {}).problems()


@contextlib.contextmanager
def fleet(web: int, shares: Mapping[str, float], delay: int, **env: str) -> Iterator[Fleet]:
    """Run so many web hosts and two worker hosts, `delay` milliseconds apart, one worker at first.

    `shares` are in cores, by "postgresql", "redis", "web" and "worker". This process moves into a namespace too.

    Raises:
        CannotError: when the machine can't.
    """
    enter_new_namespace()
    remove_abandoned()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scoreboard-hosts-")))

        def host(kind: str, place: int | None = None) -> Host:
            name = kind if place is None else f"{kind}-{place}"
            made = Host(name, shares[kind], Namespace(), Group(name), directory)
            stack.callback(made.close)
            return made

        postgresql, redis = host("postgresql"), host("redis")
        webs = [host("web", place) for place in range(web)]
        workers = [host("worker", place) for place in range(2)]
        others = [it.namespace for it in (*webs, *workers)]
        urls = {}
        for store, variable, not_this in (
            (postgresql, "DATABASE_URL", "REDIS_URL"),
            (redis, "REDIS_URL", "DATABASE_URL"),
        ):
            urls[variable] = _start_store(store, variable, not_this)
            port = urlsplit(urls[variable]).port
            assert port
            _wire(store, delay, port, [*(it.listen(port) for it in others), _ours(port)])
        os.environ.update(urls)
        os.environ.pop("CELERY_BROKER_URL", None)
        subprocess.run([sys.executable, "-m", "db.migrate"], cwd=ROOT, check=True, capture_output=True)
        running = Fleet(postgresql, redis, webs, workers, _environment(directory, urls, env), directory)
        running.start_worker(0)
        redis.start(read_procfile(ROOT / "Procfile")["beat"].split(), running.env)  # takes next to nothing
        for place, one in enumerate(webs):
            one.start(read_procfile(ROOT / "Procfile")["web"].split(), {**running.env, "PORT": str(WEB_PORT)})
            _wire(one, delay, WEB_PORT, [_ours(running.port(place))])
        try:
            for place in range(web):
                wait_for(running.port(place), "/readyz", b'"worker":"ok"', within=60)
        except TimeoutError as error:
            ends = [log.read_text(errors="replace")[-500:] for log in sorted(directory.glob("*.log"))]
            raise TimeoutError(f"{error}; the logs end: {ends}") from error
        for it in (postgresql, redis, *webs, workers[0]):
            it.bound()
        yield running
        for it in (*webs, *workers):
            it.stop()  # all at once; each is waited for below


def _environment(directory: Path, urls: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    fraud = directory / "fraud.toml"
    fraud.write_text(HIGH_FRAUD)
    return {
        **{f"RATE_LIMIT_{name}": "100000000/minute" for name in LIMITS},
        "FRAUD_FILE": str(fraud),
        "TRUSTED_PROXIES": "127.0.0.0/8",
        "APP_ENV": "production",
        "SECRET_KEY": SECRET_KEY,
        "METRICS_TOKEN": secrets.token_hex(16),
        "WS_MAX_PER_USER": "10000",
        "WS_MAX_PER_IP": "10000",
        "WORKER_METRICS_PORT": "0",
        "WEB_CONCURRENCY": "1",
        **urls,
        **env,
    }


def _start_store(host: Host, variable: str, not_this: str) -> str:
    """Start one of the two stores, and return its URL. It ends when its standard input does."""
    tell = ["/bin/sh", "-c", f'echo "${variable}"; exec cat']
    env = {not_this: "none", variable: ""}
    command = [sys.executable, "-m", "dev.embedded", "--ephemeral", "--", *tell]
    process = host.start(command, env, piped=True)
    assert process.stdout
    url = process.stdout.readline().decode().strip()
    if not url:
        raise RuntimeError((host.logs / f"{host.name}.log").read_text().strip() or f"{host.name} did not start")
    return url


def _ours(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=1024)


def _wire(host: Host, delay: int, port: int, listening: Sequence[socket.socket]) -> None:
    """Start the wire that leads to a port of a host; it is in the host's namespace, but takes nothing of its share."""
    files = [it.fileno() for it in listening]
    command = [sys.executable, "-m", "bench.hosts.wire", f"{delay}", str(port), *map(str, files)]
    with (host.logs / f"{host.name}-wire.log").open("ab") as log:
        process = host.namespace.run(
            lambda: subprocess.Popen(
                child_argv(command, signal.SIGTERM),
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=files,
            )
        )
    for one in listening:
        one.close()
    host.wires.append(process)
