"""The directory of one store: its lock, its password, its log, and the user it belongs to."""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from dev.embedded.child import NOBODY, child_argv

LOG_BYTES = 10_000_000  # a longer log is emptied at a start


class StoreError(Exception):
    """Says in one line why a store can't run."""


class InUse(StoreError):
    """Another process runs a store on the directory."""


def until(deadline: float, done: Callable[[], bool]) -> bool:
    """Wait until `done()` or the deadline of `time.monotonic()`; tell which it was."""
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def flock(descriptor: int) -> bool:
    """Take a file's lock if nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, not even while it is written."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def give_away(directory: Path, uid: int, gid: int) -> None:
    """Change the owner of a directory and of all that is in it."""
    for path in (directory, *directory.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


class Directory:
    """A directory that one process at a time has for itself."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def is_locked(self) -> bool:
        """Return whether it is ours now."""
        return self._lock is not None

    @property
    def url_file(self) -> Path:
        """Holds the URL of the instance that runs on it, while one does."""
        return self.path / "url"

    def lock(self, patience: float = 0.5) -> None:
        """Take the directory for this process; a second instance on the same data is refused.

        Args: patience in seconds: others hold the lock for an instant to look whether an instance runs.
        Raises: InUse, StoreError.
        """
        if self._lock is not None:
            return
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"can't use {self.path}: {error.strerror}") from None
        if not until(time.monotonic() + patience, lambda: flock(lock)):
            holder = os.pread(lock, 20, 0).decode().strip() or "another process"
            os.close(lock)
            raise InUse(f"{self.path} is in use by process {holder}: stop that first")
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self._lock = lock
        self.url_file.unlink(missing_ok=True)

    def unlock(self) -> None:
        """Let others have the directory."""
        if self._lock is not None:
            self.url_file.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def wipe(self) -> None:
        """Remove everything but the lock, which must be ours."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()

    def running_url(self, timeout: float = 60.0) -> str | None:
        """Return the URL of the instance that another process runs on this directory, None if there is none."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.lock(patience=0.0)
            except InUse:
                if until(min(deadline, time.monotonic() + 1.0), self.url_file.exists):
                    return self.url_file.read_text()
                if time.monotonic() > deadline:
                    raise
            else:
                self.unlock()
                return None

    def password(self) -> str:
        """Return the password, made at first use and kept in a file that only its owner reads."""
        path = self.path / "password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text()

    def open_log(self) -> int:
        """Open the server's log to append to it."""
        path = self.path / "server.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.unlink()
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def log_tail(self, lines: int = 3, since: int = 0) -> str:
        """Return the last lines of the server's log, joined by ` / `; `since` is a position in bytes."""
        try:
            with open(self.path / "server.log", "rb") as log:
                log.seek(max(since, log.seek(0, os.SEEK_END) - 16_384))
                text = log.read().decode(errors="replace")
        except OSError:
            return "(no log)"
        return " / ".join(line.strip() for line in text.strip().splitlines()[-lines:])

    def choose_user(self, program: Path | None) -> list[str] | None:
        """Find out as whom a server can run here.

        Args: program: one that refuses to run as root; None if the server takes root.
        Returns: flags for `child_argv`; None if it can't run.
        """
        if os.geteuid() != 0:
            return []
        owner = self.path.stat()
        if owner.st_uid != 0:  # an ordinary user's data stays that user's
            return ["--user", str(owner.st_uid), str(owner.st_gid)]
        if program is None:
            return []
        if self._can_run(program, flags := ["--user-namespace"]):
            return flags
        if self.path.parent.stat().st_mode & 0o777 == 0o700:
            self.path.parent.chmod(0o711)  # to be passed through; what is in it is private itself
        try:
            give_away(self.path, NOBODY, NOBODY)
        except OSError:  # a namespace without that user
            return None
        if self._can_run(program, flags := ["--user", str(NOBODY), str(NOBODY)]):
            return flags
        give_away(self.path, 0, 0)
        return None

    def hand_over(self) -> None:
        """Give the directory's owner the files that root has written into it."""
        if os.geteuid() != 0:
            return
        owner = self.path.stat()
        for path in self.path.iterdir():
            if path.is_file():
                os.chown(path, owner.st_uid, owner.st_gid)

    def _can_run(self, program: Path, flags: list[str]) -> bool:
        argv = child_argv([program, "--version"], signal.SIGKILL, flags)
        return subprocess.run(argv, cwd=self.path, capture_output=True, timeout=30, check=False).returncode == 0
