"""Runs a command with a real PostgreSQL and a real Redis: `python -m dev.embedded [options] COMMAND…`."""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from dev.backoff import FIRST, Backoff
from dev.embedded import Postgres, Redis, Store, StoreError
from dev.embedded.child import child_argv
from dev.embedded.directory import flock

DATA = Path(__file__).resolve().parents[2] / ".local"
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FROM_KERNEL = 0x80  # si_code of a Ctrl-C in the terminal, which has reached the command too
TEMPORARY = "scoreboard-stores-"


def say(text: str) -> None:
    """Print to the terminal; stdout belongs to the command."""
    print(f"dev.embedded: {text}", file=sys.stderr, flush=True)


@dataclass
class Keeper:
    """Starts a store again when it dies."""

    store: Store
    started: float
    due: float | None = None
    backoff: Backoff = field(default_factory=Backoff)

    def tend(self, now: float) -> None:
        """Look after the store; called every so often."""
        if self.due is None and self.store.pid is None:
            delay = self.backoff.after(now - self.started)
            hint = f"; its log ends: {self.store.directory.log_tail()}" if delay > FIRST else ""
            say(f"{self.store.name} ended ({self.store.returncode}), starting it again in {delay:g} s{hint}")
            self.due = now + delay
        elif self.due is not None and now >= self.due:
            self.store.spawn()
            self.started, self.due = now, None


class Signals:
    """The signals that end us: at first they do so at once, later they are passed on to the command."""

    def __init__(self) -> None:
        self._seen: list[int] = []
        # SIGHUP stays ignored under nohup; SIGINT is passed on, though shells ignore it for background jobs.
        self._numbers = [n for n in FORWARDED if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]

    def leave(self) -> None:
        """Turn each into SystemExit: while the stores start there is no command yet to pass it on to."""

        def leave(number: int, frame: FrameType | None) -> None:
            raise SystemExit(128 + number)

        for number in self._numbers:
            signal.signal(number, leave)

    def hold(self) -> None:
        """From now on keep them for `next`, so that none comes between the steps of stopping."""
        if hasattr(signal, "sigtimedwait"):
            signal.pthread_sigmask(signal.SIG_BLOCK, {*self._numbers, signal.SIGCHLD})
        else:
            for number in self._numbers:
                signal.signal(number, lambda number, frame: self._seen.append(number))

    def next(self, timeout: float) -> int | None:
        """Wait for a signal that the command hasn't got, at most `timeout` seconds; a child's end wakes too."""
        if hasattr(signal, "sigtimedwait"):
            info = signal.sigtimedwait({*self._numbers, signal.SIGCHLD}, timeout)
            if info is None or info.si_signo == signal.SIGCHLD:
                return None
            typed = info.si_signo == signal.SIGINT and info.si_code == FROM_KERNEL
            return None if typed else info.si_signo
        time.sleep(min(timeout, 0.1))
        return self._seen.pop(0) if self._seen else None


def run(command: Sequence[str], env: Mapping[str, str], stores: Sequence[Store], signals: Signals) -> int:
    """Run the command, pass signals on to it, keep the stores alive.

    Returns: its exit code; 128 + n when signal n ended it.
    """
    keepers = [Keeper(store, time.monotonic()) for store in stores]
    child = subprocess.Popen(child_argv(command, signal.SIGTERM), env=env)
    while (code := child.poll()) is None:
        number = signals.next(0.25)
        if number is not None:
            child.send_signal(number)
        for keeper in keepers:
            keeper.tend(time.monotonic())
    return code if code >= 0 else 128 - code


def start(stores: Sequence[Store], attach: bool) -> dict[str, str]:
    """Start the stores, or find them where another instance runs them.

    Returns: their URLs by variable.
    """
    urls = {}
    for store in stores:
        url = store.directory.running_url() if attach else None
        if url is None:
            store.start()
        urls[store.variable] = url or store.url
    return urls


def with_stores(command: Sequence[str], data: Path, attach: bool, reset: bool) -> int:
    """Run the command with the stores that the environment doesn't name."""
    kinds = (Postgres, Redis)
    signals = Signals()
    signals.leave()
    with contextlib.ExitStack() as stack:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        stores: list[Store] = [kind(data / kind.name.lower()) for kind in kinds]
        for store in stores:
            stack.callback(store.stop)
        if reset:
            for store in stores:
                store.directory.lock()
            for store in stores:
                store.directory.wipe()
        wanted = [store for store in stores if not os.environ.get(store.variable)]
        env = {**os.environ, **start(wanted, attach)}
        signals.hold()
        return run(command, env, [store for store in wanted if store.pid is not None], signals)


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """Return a directory that is removed afterwards, and remove those whose owner was killed before it could."""
    for old in Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):
            remove_if_abandoned(old)
    path = Path(tempfile.mkdtemp(prefix=TEMPORARY))
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    flock(lock)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def remove_if_abandoned(path: Path) -> None:
    """Remove a temporary directory that nobody has locked; a young one may be about to be."""
    if path.lstat().st_uid != os.geteuid() or time.time() - path.lstat().st_mtime < 60:
        return
    lock = os.open(path / "lock", os.O_RDWR | os.O_NOFOLLOW)
    if flock(lock):
        shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m dev.embedded", description=__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data", type=Path, default=DATA, help="where the data is kept (default: .local)")
    where.add_argument("--ephemeral", action="store_true", help="keep no data")
    parser.add_argument("--attach", action="store_true", help="use the stores of a running instance if there is one")
    parser.add_argument("--reset", action="store_true", help="drop all data first")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args(argv)
    args.command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not args.command:
        parser.error("a command is missing")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run the module's command line."""
    args = parse(argv)
    try:
        if not args.ephemeral:
            return with_stores(args.command, args.data, args.attach, args.reset)
        with temporary_directory() as data:
            return with_stores(args.command, data, attach=False, reset=False)
    except (StoreError, OSError) as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
