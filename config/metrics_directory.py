"""Where the processes of one service count together."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share() -> None:
    """Have this process and its children count together, in a directory that goes when this process ends.

    To be called before `config.metrics` is imported.
    """
    directory = tempfile.mkdtemp(prefix="scoreboard-metrics-")
    os.environ[_VARIABLE] = directory
    maker = os.getpid()

    def remove() -> None:
        if os.getpid() == maker:  # and not a child that was forked
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)


def shared() -> Path | None:
    """Give the directory, None in a process that counts for itself."""
    directory = os.environ.get(_VARIABLE)
    return Path(directory) if directory else None
