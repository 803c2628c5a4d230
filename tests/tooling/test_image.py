"""What the image runs, without Docker: the folders that it copies, on a root that can't be written to."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.version import VERSION
from dev.procfile import read_procfile
from tests.support.service import ROOT, Process, Service, Stores, eventually, free_port

PROCESSES = read_procfile(ROOT / "Procfile")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
READ_ONLY = """
mount --make-rprivate / && mount --bind / / && mount -o remount,ro,bind / && mount -t tmpfs tmpfs "$TMPDIR" || exit
if touch "$IMAGE/written" 2>/dev/null; then exit 1; fi
cd "$IMAGE" && exec "$@"
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what the Dockerfile copies."""
    folder = tmp_path_factory.mktemp("image")
    for part in re.findall(r"^COPY ([A-Za-z]+) \./", DOCKERFILE, re.M):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, folder / part)
    (folder / "tmp").mkdir()
    return folder


@pytest.mark.parametrize("name", PROCESSES)
def test_process_runs_on_a_read_only_root_and_logs_its_version(
    service: Service, stores: Stores, image: Path, name: str
) -> None:
    ports = {"PORT": str(free_port()), "FLOWER_PORT": str(free_port()), "WORKER_METRICS_PORT": str(free_port())}
    places = {"IMAGE": str(image), "TMPDIR": str(image / "tmp")}
    env = stores.environment(**ports, **places, WEB_CONCURRENCY="2")
    command = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh"]
    if subprocess.run([*command, "true"], env=env, capture_output=True, timeout=20).returncode:
        pytest.skip("mounting is not allowed here")
    process = service.start(name, [*command, *shlex.split(PROCESSES[name])], env, int(ports["PORT"]))
    line = f"scoreboard.process: process.started part={name} version={VERSION}\n"
    eventually(lambda: line in process.output(), within=40, what=f"{line!r} in {process.log}")
    if name == "web":
        eventually(lambda: is_healthy(process), within=20, what="a healthy web process")
        process.stop()
        assert not is_healthy(process)
    if name == "release":
        assert process.popen.wait(30) == 0
    assert "Read-only file system" not in process.output()
    assert "Traceback" not in process.output()


def is_healthy(web: Process) -> bool:
    """Run the image's own health check, which asks no proxy."""
    (command,) = re.findall(r"^HEALTHCHECK [^\n]*\\\n    CMD (.*)$", DOCKERFILE, re.M)
    python, *arguments = json.loads(command)
    assert python == "python"
    env = {"PORT": str(web.port), "http_proxy": "http://127.0.0.1:9"}
    return not subprocess.run([sys.executable, *arguments], env=env, capture_output=True, timeout=20).returncode


def test_release_says_whether_the_schema_is_this_releases(stores: Stores) -> None:
    check = (sys.executable, "-m", "db.migrate", "--check")
    done = stores.run(*check)
    assert done.returncode == 0, done.stderr
    stores.execute("ALTER TABLE top_scores DROP COLUMN display_name")
    for _ in range(2):  # it changes nothing
        done = stores.run(*check)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == (
            "scoreboard: DATABASE_URL: the schema is not this release's: column display_name of top_scores is missing"
        )
