"""The directory by which a process and its children count metrics together."""

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "scoreboard-metrics-"
_LOCK = "in-use"


def share() -> None:
    """Share metrics with the children of this process, in a directory that is removed when it ends.

    Those of processes that were killed are removed, too. To be called before `telemetry.metrics` is imported.
    """
    _remove_abandoned()
    directory = tempfile.mkdtemp(prefix=_PREFIX)
    # Held by this process and those forked from it, until the last of them ends however it may.
    # It gets its final name once it is locked, so that no other process finds it unlocked.
    unnamed = os.path.join(directory, "new")
    lock = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(unnamed, os.path.join(directory, _LOCK))
    os.environ[_VARIABLE] = directory
    maker = os.getpid()

    def remove() -> None:
        if os.getpid() == maker:  # and not a child that was forked
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)


def shared() -> Path | None:
    """Return the directory, None in a process that counts for itself."""
    directory = os.environ.get(_VARIABLE)
    return Path(directory) if directory else None


def _remove_abandoned() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue  # another user's, or one that is just being made
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # in use
        else:
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)
