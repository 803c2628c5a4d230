"""What Linux has for a host of its own: a network namespace, and a control group that bounds its share of the CPU."""

import ctypes
import fcntl
import os
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
PERIOD = 10_000
"""Microseconds over which a share is counted: short, so that a host that has had its share waits little."""

NAME = "scoreboard-bench-"
T = TypeVar("T")


class CannotError(Exception):
    """Says in one line what this machine lacks."""


def enter_new_namespace() -> None:
    """Move the thread that calls into a network namespace of its own, with nothing in it but a loopback.

    Raises:
        CannotError: when the kernel or our rights don't allow it.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    except (OSError, AttributeError) as error:
        raise CannotError(f"it makes no network namespace for us ({error}): be root on Linux") from error


class Namespace:
    """A network namespace; it ends with the thread and the processes in it, so nothing of it can be left over."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self.run(enter_new_namespace)

    def run(self, do: Callable[[], T]) -> T:
        """Do something in it: sockets and processes that are made there belong to it."""
        return self.begin(do).result()

    def begin(self, do: Callable[[], T]) -> "Future[T]":
        """Do something in it meanwhile."""
        return self._thread.submit(do)

    def listen(self, port: int) -> socket.socket:
        """Listen on its loopback."""
        return self.run(lambda: socket.create_server(("127.0.0.1", port), backlog=1024))

    def close(self) -> None:
        """Let go of it; its processes are to be ended before."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class Group:
    """A control group; `procs` is the file that a process writes its id into to enter it."""

    def __init__(self, name: str) -> None:
        parent, self._second = _parent()
        self._path = parent / f"{NAME}{os.getpid()}-{name}"
        try:
            if self._second:
                (parent / "cgroup.subtree_control").write_text("+cpu")
            self._path.mkdir()
            self.procs = self._path / "cgroup.procs"
            self.bound(1.0)
        except OSError as error:
            self.close()
            raise CannotError(f"it makes no control group for us ({error})") from error

    def bound(self, share: float) -> None:
        """Bound what its processes take together, in cores."""
        quota = max(1000, int(share * PERIOD))
        if self._second:
            (self._path / "cpu.max").write_text(f"{quota} {PERIOD}")
        else:
            (self._path / "cpu.cfs_period_us").write_text(str(PERIOD))
            (self._path / "cpu.cfs_quota_us").write_text(str(quota))

    def cpu(self) -> float:
        """Return the seconds of CPU that its processes have used, with those of children that have ended."""
        ticks = 0
        for pid in self.procs.read_text().split():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Remove it, once its processes have ended."""
        _remove(self._path, within=5.0)


def remove_abandoned() -> None:
    """Remove the groups of runs that were killed before they could."""
    for path in _parent()[0].glob(f"{NAME}*"):
        owner = path.name.removeprefix(NAME).partition("-")[0]
        if not Path(f"/proc/{owner}").exists():
            _remove(path, within=0.0)


def _remove(path: Path, within: float) -> None:
    deadline = time.monotonic() + within
    while path.exists():
        try:
            path.rmdir()
        except OSError:
            if time.monotonic() >= deadline:
                return
            time.sleep(0.05)


def _parent() -> tuple[Path, bool]:
    """Return the directory in which groups are made, and whether it is of cgroups' second version."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError as error:
        raise CannotError(f"it has no control groups ({error})") from error
    second = None
    for line in lines:
        place = Path(line.split()[4])
        kind, _, options = line.partition(" - ")[2].split(" ", 2)
        if kind == "cgroup" and "cpu" in options.split(","):
            return place, False
        if kind == "cgroup2" and "cpu" in _words(place / "cgroup.controllers"):
            second = place
    if second is None:
        raise CannotError("it has no control group for CPU time")
    return second, True


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
