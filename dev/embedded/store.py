"""A database server as a child process: what PostgreSQL and Redis have in common here."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from dev.embedded.child import child_argv
from dev.embedded.directory import Directory, StoreError, until, write_private


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on this port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Pick a port under the range the kernel gives to outgoing connections.

    From within it, a client that retries while the store is away may take the port itself, or connect to itself.
    """
    while True:
        port = random.randint(15_000, 32_000)
        if port_is_free(port):
            return port


class Store:
    """A server on the loopback address with its data, log and password in one directory.

    The port stays the same over restarts. The server gets `stop_signal` when the thread that started it ends.
    """

    name: ClassVar[str]
    variable: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    programs: ClassVar[frozenset[str]]
    refuses_root: ClassVar[bool] = False

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = Directory(directory)
        self.port = port or 0
        self._port_is_ours_to_choose = port is None
        self._process: subprocess.Popen[bytes] | None = None
        self._flags: list[str] = []
        self._log_start = 0

    def argv(self) -> list[str | Path]:
        """Return the server's command line."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make the data directory what the server expects; runs once, under the lock."""
        raise NotImplementedError

    def clear_way(self) -> None:
        """Remove what a killed server has left and a new one would stumble over; none of its processes is alive."""

    def answers(self) -> bool:
        """Return whether the server serves a request now."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where clients find it, password included."""
        raise NotImplementedError

    @property
    def working_directory(self) -> Path:
        """Where the server's processes stand; they are told from all others by it."""
        return self.directory.path

    @property
    def pid(self) -> int | None:
        """The main process, None while there is none."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    @property
    def returncode(self) -> int | None:
        """How the last main process ended."""
        return None if self._process is None else self._process.poll()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, timeout: float = 60.0) -> None:
        """Start it, again on the same port if it ran before, and wait until it answers.

        Args: timeout in seconds; a recovery counts.
        Raises: StoreError with the end of the log.
        """
        if self.pid is not None:
            return
        deadline = time.monotonic() + timeout
        self.directory.lock()
        try:
            self.end_leftovers(grace=10.0)
            if self._process is None:
                self._choose_user()
                self.prepare()
                self._choose_port()
            self._start_until(deadline)
        except BaseException:
            self.kill()
            self.directory.unlock()
            raise
        (self.directory.path / "port").write_text(str(self.port))
        write_private(self.directory.url_file, self.url)
        self.directory.hand_over()

    def _start_until(self, deadline: float) -> None:
        while True:
            self.spawn()
            until(deadline, lambda: self.pid is None or self.answers())
            log = self.directory.log_tail(50, since=self._log_start)
            if self.pid is not None and time.monotonic() < deadline:
                return
            if time.monotonic() > deadline:
                raise StoreError(f"{self.name} did not answer in time; its log ends: {self.directory.log_tail()}")
            if "Address already in use" in log:
                if not self._port_is_ours_to_choose:
                    raise StoreError(f"{self.name}'s port {self.port} is taken")
                self.port = free_port()
            elif "pre-existing shared memory block" in log:  # processes of a killed server are still going away
                time.sleep(0.5)
            else:
                raise StoreError(f"{self.name} did not start; its log ends: {self.directory.log_tail()}")

    def spawn(self) -> None:
        """Start the process without waiting for it to answer; for a supervisor that has started it before."""
        self.end_leftovers(grace=0.0)
        self.clear_way()
        with open(self.directory.open_log(), "wb") as log:
            self._log_start = os.fstat(log.fileno()).st_size
            self.directory.hand_over()
            self._process = subprocess.Popen(
                child_argv(self.argv(), self.stop_signal, self._flags),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.working_directory,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,  # Ctrl-C in a terminal reaches the clients only
            )

    def stop(self, timeout: float = 20.0) -> None:
        """Stop it in order, by SIGKILL after `timeout` seconds, and let go of the directory."""
        process = self._process
        if process is not None and process.poll() is None:
            self.resume()
            process.send_signal(self.stop_signal)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        self.end_leftovers(grace=0.0)
        self.directory.unlock()

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL to all its processes. `start()` brings it back."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.end_leftovers(grace=0.0)

    def pause(self) -> None:
        """Make it hang: SIGSTOP to all its processes."""
        stopped: set[int] = set()
        # Again, since it may fork before it stops itself: one that goes on would answer as if nothing were.
        while begun := set(self.pids()) - stopped:
            self._signal(signal.SIGSTOP)
            stopped |= begun

    def resume(self) -> None:
        """End what `pause()` began."""
        self._signal(signal.SIGCONT)

    def pids(self) -> list[int]:
        """List all its processes, also those of a main process that was killed (beyond Linux: the main one only)."""
        if not sys.platform.startswith("linux"):
            return [self._process.pid] if self._process is not None and self.pid is not None else []
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._is_ours(entry)]

    def end_leftovers(self, grace: float) -> None:
        """End the processes of an earlier run whose owner was killed; only ever called under the lock."""
        if self.pid is not None or not self.directory.is_locked:
            return
        for number, seconds in ((self.stop_signal, grace), (signal.SIGKILL, 5.0)):
            if not self.pids():
                return
            if seconds:
                self._signal(number)
                until(time.monotonic() + seconds, lambda: not self.pids())

    def _is_ours(self, entry: Path) -> bool:
        try:
            return (
                os.readlink(entry / "cwd") == str(self.working_directory.resolve())
                and (entry / "comm").read_text().strip() in self.programs
                and (entry / "stat").read_text().rpartition(") ")[2][0] != "Z"
            )
        except OSError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _choose_port(self) -> None:
        if not self._port_is_ours_to_choose:
            return
        try:
            self.port = int((self.directory.path / "port").read_text())
        except (OSError, ValueError):
            self.port = free_port()
        if not port_is_free(self.port):
            self.port = free_port()

    def _choose_user(self) -> None:
        flags = self.directory.choose_user(Path(self.argv()[0]) if self.refuses_root else None)
        if flags is None:
            raise StoreError(
                f"{self.name} refuses to run as root, and {self.directory.path} or the program is out of reach for "
                f"others: run this as an ordinary user, or set {self.variable}"
            )
        self._flags = flags
