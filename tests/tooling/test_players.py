"""`bin/simulate`: players who play with the real service."""

import re
import subprocess
import sys

import httpx2
import pytest

from tests.support.service import Process, Service, Stores, eventually, free_port

SECRET = "the-secret-of-web-and-players-of-this-test"


def simulate(stores: Stores, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return stores.run(sys.executable, "-m", "dev.simulation", *args, **{"SECRET_KEY": SECRET, **env})


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    service.worker()
    service.beat()
    # With limits, as people have them; the players share an address.
    return service.web(
        SECRET_KEY=SECRET,
        TRUSTED_NETWORKS="127.0.0.0/8",
        RATE_LIMIT_CREATE="10/second",
        RATE_LIMIT_COMPLETE="10/second",
    )


def test_players_play_and_the_board_moves(stores: Stores, web: Process) -> None:
    for turn in (1, 2):
        done = simulate(stores, "--url", web.url, "--players=15", "--minutes=0.08", "--pace=10")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        counts = {what: int(number) for number, what in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])}
        assert counts["completed"] >= 10, done.stdout
        assert set(counts) <= {"started", "completed", "cancelled"}, done.stdout
        completed = stores.value("SELECT count(*) FROM actions WHERE status = 'completed'")
        assert completed >= counts["completed"]
        assert stores.value("SELECT count(*) FROM users") == 15, f"turn {turn} plays with the same players"
    eventually(lambda: len(httpx2.get(f"{web.url}/top-scores").json()) >= 5, what="a board of players")
    eventually(lambda: stores.run("bin/manage", "audit").returncode == 0, what="that all is right")


def test_options_that_cannot_work_are_reported(stores: Stores, web: Process) -> None:
    done = simulate(stores, "--players=0")
    assert (done.returncode, "--players must be 1 to" in done.stderr) == (2, True)
    done = simulate(stores, APP_ENV="production")
    assert (done.returncode, done.stderr) == (2, "scoreboard: APP_ENV: production has players of its own\n")
    url = f"http://127.0.0.1:{free_port()}"
    done = simulate(stores, "--url", url, "--within=0.5")
    assert (done.returncode, done.stderr) == (1, f"simulate: {url} does not answer\n")
    done = simulate(
        stores, "--url", web.url, "--players=3", "--minutes=0.03", "--pace=20", SECRET_KEY="another-secret-" * 3
    )
    assert "SECRET_KEY is not the service's" in done.stderr
