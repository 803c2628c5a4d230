"""A log that nobody reads stops nothing: standard error is a pipe that is full from the start."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx2
import pytest

from tests.support.people import Player
from tests.support.service import NO_LIMITS, ROOT, Process, Service, Stores, eventually, free_port

Unread = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def unread(stores: Stores) -> Iterator[Unread]:
    """Starts processes whose standard error is full."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **env: str) -> "subprocess.Popen[bytes]":
        popen = subprocess.Popen(
            command,
            cwd=ROOT,
            env=stores.environment(**NO_LIMITS, **env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writer,
            start_new_session=True,
        )
        started.append(popen)
        return popen

    yield start
    for popen in started:
        popen.terminate()
    for popen in started:
        try:
            assert popen.wait(20) in (0, -signal.SIGTERM)
        except subprocess.TimeoutExpired:
            os.killpg(popen.pid, signal.SIGKILL)
            popen.wait(10)
            raise
    os.close(reader)
    os.close(writer)


def answers(url: str) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(url, timeout=2).status_code == 200
    return False


@pytest.mark.parametrize("environment", ["development", "production"])
def test_web_serves_while_nobody_reads_its_log(unread: Unread, environment: str) -> None:
    port = free_port()
    secret = {"APP_ENV": environment, "SECRET_KEY": "k" * 32}
    unread(sys.executable, "-m", "app", PORT=str(port), LOG_LEVEL="DEBUG", METRICS_TOKEN="t", **secret)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: answers(f"{url}/healthz"), within=20, what="a web process")
    with httpx2.Client(base_url=url, timeout=5) as client:
        for _ in range(300):
            assert client.post("/auth/login", json={"username": 1}).status_code == 400
        assert client.get("/healthz").status_code == 200
        metrics = client.get("/metrics", headers={"authorization": "Bearer t"}).text
        assert "\nlog_lines_dropped_total 0.0\n" in metrics


def test_worker_and_beat_settle_while_nobody_reads_their_logs(
    unread: Unread, web: Process, alice: Player, stores: Stores
) -> None:
    # Celery warns of being root, by Python's own means, before it asks for our logging.
    celery = (sys.executable, "-W", "ignore", "-m", "celery", "-A", "workers.app")
    unread(*celery, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle", WORKER_METRICS_PORT="0")
    unread(*celery, "beat", LOG_LEVEL="DEBUG")
    action_id = alice.started()
    stores.execute(  # and no message says so: it is found by the sweep, for which beat asks
        "UPDATE actions SET status = 'completed', end_at = now(), score = 0, settlement = 'pending' WHERE id = :id",
        id=action_id,
    )
    eventually(lambda: alice.settlement(action_id) == "cleared", within=25, what="that it is settled")


def test_flower_answers_while_nobody_reads_its_log(unread: Unread) -> None:
    port = free_port()
    unread(sys.executable, "-m", "workers.flower", FLOWER_PORT=str(port))
    eventually(lambda: answers(f"http://127.0.0.1:{port}/healthcheck"), within=20, what="Flower")


def test_client_can_not_fill_the_log(service: Service) -> None:
    web = service.web(TRUSTED_PROXIES="127.0.0.1")
    with httpx2.Client(base_url=web.url, timeout=5) as client:
        for _ in range(250):
            client.post("/auth/login", json={}, headers={"x-forwarded-for": "203.0.113.1"})
        client.post("/auth/login", json={}, headers={"x-forwarded-for": "203.0.113.2"})
    eventually(lambda: "client=203.0.113.2" in web.output(), what="the other's line")
    assert web.output().count("client=203.0.113.1") == 100
