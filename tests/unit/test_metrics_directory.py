"""The directory in which processes count together: it goes with its process, however that ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import HERE

PROGRAM = """
import sys
from telemetry import metrics_directory
metrics_directory.share()
print(metrics_directory.shared(), flush=True)
sys.stdin.read()
"""


def start(temporary: Path) -> tuple["subprocess.Popen[str]", Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=HERE.parent,
        env={"TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: "subprocess.Popen[str]") -> None:
    process.communicate("", timeout=20)


def test_share_removes_the_directories_of_killed_processes_only(tmp_path: Path) -> None:
    killed, abandoned = start(tmp_path)
    living, in_use = start(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=20)
    assert abandoned.is_dir()
    newest, own = start(tmp_path)
    assert not abandoned.exists()
    assert in_use.is_dir()
    assert own.is_dir()
    for process in (living, newest):
        end(process)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_share_leaves_nothing_for_the_next_but_one(tmp_path: Path, number: signal.Signals) -> None:
    for _ in range(3):
        process, _ = start(tmp_path)
        process.send_signal(number)
        process.communicate(timeout=20)
    assert len(list(tmp_path.iterdir())) == 1
