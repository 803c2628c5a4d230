"""A process that has all hands full turns requests away at once, new ones first, and forgets none that it has taken."""

import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app.routes.actions import MOST_UNDER_WAY
from tests.service import Player, Process, Service, Stores, problem, unique

PAGE = "https://game.example"


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (256, hard)
    )  # as few as a process is ever given; it helps itself to more
    try:
        return service.web(ALLOWED_ORIGINS=PAGE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def crowd(web: Process) -> Iterator[list[socket.socket]]:
    """Connections that are being served, one for each request that is taken on, and some more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MOST_UNDER_WAY["POST"]), hard))
    peers = [socket.create_connection(("127.0.0.1", web.port), timeout=10) for _ in range(MOST_UNDER_WAY["POST"] + 100)]
    for peer in peers:
        peer.sendall(b"GET /top-scores HTTP/1.1\r\nHost: here\r\n\r\n")
    for peer in peers:
        assert peer.recv(65_536).startswith(b"HTTP/1.1 200")
    yield peers
    for peer in peers:
        peer.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_at_once(web: Process, stores: Stores, alice: Player, crowd: list[socket.socket]) -> None:
    bob = Player(web.url, unique("bob"))
    begun = bob.started()
    alice.started()  # her token has been seen
    body = b'{"status":"started"}'
    head = f"POST /users/{alice.user_id}/actions HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {alice.token}\r\n"
    request = head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with ThreadPoolExecutor(1) as thread:
        with stores.engine.begin() as conn:
            conn.execute(sa.text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
            for peer in crowd:
                peer.sendall(request)

            shed = bob.start()
            shed_from_page = bob.http.post(
                f"/users/{bob.user_id}/actions", json={"status": "started"}, headers={"Origin": PAGE}
            )
            ended = thread.submit(bob.end, begun)
            board = bob.http.get("/top-scores")
        problem(shed, 503, "overloaded")
        assert shed.headers["x-content-type-options"] == "nosniff"
        problem(shed_from_page, 503, "overloaded")
        assert shed_from_page.headers["access-control-allow-origin"] == PAGE
        assert board.status_code == 200
        assert ended.result().status_code == 200
    statuses = [peer.recv(65_536)[9:12] for peer in crowd]
    assert set(statuses) <= {b"201", b"503"}
    taken = stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=alice.user_id)
    assert statuses.count(b"201") == taken - 1
    assert 1 < taken <= MOST_UNDER_WAY["POST"] + 1
    assert alice.start().status_code == 201
    counted = bob.http.get("/metrics").text
    assert 'route="/users/{user_id}/actions",status="503"' in counted
    bob.close()
