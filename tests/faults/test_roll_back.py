"""A release and the way back, as docs/deploy.md tells it: the release before runs on the newer schema."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.people import Player, unique
from tests.support.service import NO_LIMITS, ROOT, Process, Service, Stores, eventually, free_port

pytestmark = pytest.mark.timeout(180)


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the release before was left out: there is no history of it here ({done.stderr.decode().strip()})")
    return done.stdout


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as it was before the newest migration."""
    newest = max((ROOT / "db" / "migrations" / "versions").glob("[0-9]*.py")).relative_to(ROOT)
    added = git("log", "--diff-filter=A", "--format=%H", "--", str(newest)).decode().split()
    if not added:
        pytest.skip(f"the release before was left out: {newest} is not committed")
    folder = tmp_path_factory.mktemp("before")
    code = git("archive", f"{added[-1]}~1")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=code, check=True)
    assert not (folder / newest).exists()
    return folder


def migrate(stores: Stores, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the `release` of the code in a folder."""
    return stores.run(*within(folder, "-m", "db.migrate"))


def within(folder: Path, *arguments: str) -> list[str]:
    return ["env", "-C", str(folder), sys.executable, *arguments]


def deploy(service: Service, folder: Path) -> Process:
    """Start a web process and a worker of the code in a folder, in place of those that run."""
    service.stop()
    env = service.stores.environment(**NO_LIMITS, WORKER_METRICS_PORT="0", PORT=str(port := free_port()))
    worker = within(folder, "-m", "celery", "-A", "workers.app", "worker", "--concurrency", "1", "--without-mingle")
    started = service.start("worker", worker, env)
    web = service.start("web", within(folder, "-m", "app"), env, port)
    eventually(lambda: "ready." in started.output(), within=60, what=f"a worker ({started.log})")
    eventually(lambda: "startup complete" in web.output(), within=60, what=f"a web process ({web.log})")
    return web


def score(web: Process, username: str, *, register: bool = False) -> None:
    """Have a player score 10 points, and wait until the board has them."""
    player = Player(web.url, username, register=register)
    player.score()
    account = f"/users/{player.user_id}"
    total = player.http.get(account).json()["totalScore"]
    eventually(lambda: player.http.get(account).json()["score"] == total, within=60, what="settled points")
    shown = {row["username"]: row["score"] for row in player.http.get("/top-scores").json()}
    eventually(
        lambda: {row["username"]: row["score"] for row in player.http.get("/top-scores").json()}.get(username) == total,
        within=60,
        what=f"the points on the board, not {shown}",
    )
    player.close()


def test_release_is_rolled_back_and_made_again_without_losing_a_point(
    service: Service, stores: Stores, before: Path
) -> None:
    stores.execute("DROP SCHEMA public CASCADE")
    stores.execute("CREATE SCHEMA public")
    made = migrate(stores, before)
    assert made.returncode == 0, made.stderr
    username = unique("player")
    score(deploy(service, before), username, register=True)

    release = migrate(stores, ROOT)  # while the release before serves
    assert release.returncode == 0, release.stderr
    score(service.processes[-1], username)
    score(deploy(service, ROOT), username)

    head = "SELECT version_num FROM alembic_version"
    newer = stores.value(head)
    refused = migrate(stores, before)
    assert (refused.returncode != 0, stores.value(head)) == (True, newer), refused.stderr
    score(deploy(service, before), username)  # without its release

    again = migrate(stores, ROOT)
    assert again.returncode == 0, again.stderr
    score(deploy(service, ROOT), username)
    rows = stores.rows("SELECT total_score FROM users WHERE username = :name", name=username)
    assert rows == [(50,)]
    audit = stores.run(*within(ROOT, "-m", "app.cli", "audit"))
    assert audit.returncode == 0, audit.stdout + audit.stderr
