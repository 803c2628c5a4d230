"""GET /healthz and GET /readyz, and what is left of the service while something is away."""

import asyncio
import json
import re
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import redis
import sqlalchemy as sa

from app import readiness
from app.concurrency.threads import Threads
from app.live.relay import SupervisedRedis
from db.redis import connect_on_loop
from dev import embedded
from tests.support.loop import Gate
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Service, Stores, eventually, free_port, problem
from tests.support.sockets import raw_peer, upgrade


def ready(process: Process) -> tuple[int, str, dict[str, str]]:
    """Return the status, the word and the checks of a process."""
    answer = httpx2.get(f"{process.url}/readyz", timeout=10)
    body = answer.json()
    if answer.status_code == 503:
        assert int(answer.headers["retry-after"]) >= 1
    return answer.status_code, body["status"], body["checks"]


def healthy(process: Process) -> bool:
    answer = httpx2.get(f"{process.url}/healthz", timeout=2)
    return (answer.status_code, answer.json()) == (200, {"status": "ok"})


def closed_port(scheme: str) -> str:
    return f"{scheme}://127.0.0.1:{free_port()}/0"


def test_health_is_ok_with_all_and_degraded_without_a_worker(service: Service, web: Process) -> None:
    up = {"database": "ok", "redis": "ok", "relay": "ok", "worker": "ok"}
    assert healthy(web)
    eventually(lambda: ready(web) == (200, "degraded", {**up, "worker": "down"}), what="all but the worker")
    sweepers = [service.beat(), service.worker()]
    eventually(lambda: ready(web) == (200, "ok", up), what="the worker's sweep")
    for process in sweepers:
        process.stop()


def test_health_without_redis_is_degraded(service: Service) -> None:
    web = service.web(REDIS_URL=closed_port("redis"))
    down = {"redis": "down", "relay": "down", "worker": "down"}
    assert ready(web) == (200, "degraded", {"database": "ok", **down})
    assert healthy(web)
    player = Player(web.url, unique("player"))
    player.score()
    assert player.http.get("/top-scores").json() == []
    assert player.http.get(f"/users/{player.user_id}").json()["totalScore"] == 10
    player.close()
    assert "Traceback" not in web.output()


def test_readiness_asks_redis_while_every_thread_waits_for_the_database(stores: Stores) -> None:
    async def scenario() -> readiness.Checks:
        gate, threads = Gate(), Threads("test", 1, depth=9, patience=0.1)
        waiting = asyncio.create_task(threads.run(gate))
        cache, relay = connect_on_loop(stores.redis_url, timeout=5), SupervisedRedis(stores.redis_url)
        checks = await readiness.check(stores.engine, cache, relay, threads)
        gate.open()
        await asyncio.gather(waiting, return_exceptions=True)
        await cache.aclose()
        await relay.disconnect()
        threads.close()
        return checks

    assert (it := asyncio.run(scenario())).database == "down"
    assert it.redis == "ok"


@pytest.fixture(scope="module")
def cut_off(service: Service) -> Process:
    """A web process that never reached its database."""
    return service.web(DATABASE_URL=closed_port("postgresql"))


@pytest.fixture
def visitor(cut_off: Process, alice: Player) -> Iterator[httpx2.Client]:
    """Somebody with a good token."""
    with httpx2.Client(base_url=cut_off.url, headers=alice.http.headers, timeout=10) as client:
        yield client


class TestWithoutTheDatabase:
    def test_healthz_is_alive_and_readyz_is_not(self, cut_off: Process) -> None:
        assert healthy(cut_off)
        status, word, checks = ready(cut_off)
        assert (status, word, checks["database"], checks["redis"]) == (503, "down", "down", "ok")

    def test_writes_are_told_to_come_again_within_three_seconds(
        self, visitor: httpx2.Client, alice: Player, cut_off: Process
    ) -> None:
        actions = f"/users/{alice.user_id}/actions"
        credentials = {"username": alice.username, "password": PASSWORD}
        answers = [
            visitor.post(actions, json={"status": "started"}),
            visitor.put(f"{actions}/{uuid.uuid4()}", json={"status": "completed"}),
            visitor.put(f"{actions}/{uuid.uuid4()}", json={"status": "cancelled"}),
            visitor.post("/auth/login", json=credentials),
            visitor.post("/auth/register", json={**credentials, "email": "somebody@example.org"}),
            visitor.post("/auth/refresh"),
            visitor.post("/auth/logout"),
        ]
        for answer in answers:
            body = problem(answer, 503)
            assert "127.0.0.1" not in body["detail"]
            assert answer.elapsed.total_seconds() < 3
        assert "Traceback" not in cut_off.output()

    def test_reads_of_the_database_are_told_so_as_well(self, visitor: httpx2.Client, alice: Player) -> None:
        problem(visitor.get(f"/users/{alice.user_id}"), 503)
        problem(visitor.get(f"/users/{alice.user_id}/actions/{uuid.uuid4()}"), 503)

    def test_errors_that_need_no_database_come_first(self, visitor: httpx2.Client, alice: Player) -> None:
        actions = f"/users/{alice.user_id}/actions"
        problem(visitor.post(actions, json={"status": "started"}, headers={"Authorization": "Bearer x"}), 401)
        problem(visitor.post(f"/users/{uuid.uuid4()}/actions", json={"status": "started"}), 403)
        problem(visitor.post(actions, json={"status": "done"}), 400)
        problem(visitor.put(f"{actions}/no-uuid", json={"status": "completed"}), 404)

    def test_board_comes_from_redis(self, visitor: httpx2.Client, web: Process, cut_off: Process) -> None:
        known = httpx2.get(f"{web.url}/top-scores")
        assert known.status_code == 200  # and with it the key is in Redis
        answer = eventually(
            lambda: (it := visitor.get("/top-scores")).status_code == 200 and it, within=5, what="the board"
        )
        assert isinstance(answer, httpx2.Response)
        assert (answer.json(), answer.headers["etag"]) == (known.json(), known.headers["etag"])


def listens(web: Process) -> bool:
    try:
        socket.create_connection(("127.0.0.1", web.port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("used", [True, False])
def test_handshake_while_a_process_stops_is_sent_elsewhere(service: Service, used: bool) -> None:
    web = service.web()
    player = Player(web.url, unique("late"))
    with raw_peer(web) as peer:
        if used:
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert peer.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert httpx2.get(f"{web.url}/healthz").status_code == 200  # and the connection before this one is accepted
        web.signal(signal.SIGTERM)
        eventually(lambda: not listens(web), what="the listener's end")
        peer.sendall(upgrade(player.token, more="X-Request-ID: late\r\n"))
        received = b""
        while data := peer.recv(65536):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert re.search(rb"(?i)\r\nretry-after: [1-9]", head)
    assert re.search(rb"(?i)\r\nx-request-id: late", head)
    assert json.loads(body)["code"] == "unavailable"
    player.close()
    assert web.stop() == 0


def test_process_that_stops_is_down_on_open_connections(service: Service) -> None:
    web = service.web()
    with httpx2.Client(base_url=web.url, timeout=10) as client:
        assert client.get("/readyz").status_code == 200
        web.signal(signal.SIGTERM)
        eventually(lambda: not listens(web), what="the listener's end")  # of which a proxy has not heard yet
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "down")
        assert answer.json()["checks"]["database"] == "ok"
        assert answer.headers["connection"] == "close"
        with pytest.raises(httpx2.TransportError):
            client.get("/readyz")
    eventually(lambda: web.popen.poll() == 0, what="the end")


def test_read_only_database_is_named_and_left_once_it_is_another(service: Service) -> None:
    stores = service.stores
    name = sa.make_url(stores.database_url).database
    web = service.web()
    others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'scoreboard-web'"
    stores.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        stores.rows(others)
        status, word, checks = ready(web)
        assert (status, word, checks["database"]) == (503, "down", "read-only")
    finally:
        with stores.engine.begin() as conn:
            conn.exec_driver_sql("SET TRANSACTION READ WRITE")
            conn.exec_driver_sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert ready(web)[2]["database"] == "ok"
    assert "Traceback" not in web.output()


def test_redis_that_is_a_replica_is_named_and_left(service: Service, tmp_path: Path) -> None:
    with embedded.Redis(tmp_path / "redis") as server:
        web = service.web(REDIS_URL=server.url, RATE_LIMIT_CREATE="10/minute")
        player = Player(web.url, unique("player"))
        client = redis.Redis.from_url(server.url)
        player.started()
        eventually(lambda: ready(web)[2]["redis"] == "ok")
        client.replicaof("127.0.0.1", free_port())
        assert ready(web)[:2] == (200, "degraded")
        assert ready(web)[2]["redis"] == "read-only"
        player.started()
        client.replicaof("NO", "ONE")
        assert ready(web)[2]["redis"] == "ok"
        player.close()
        client.close()
        web.stop()
