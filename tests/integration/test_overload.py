"""A process that has all hands full turns requests away at once, new ones first, and forgets none that it has taken."""

import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
import sqlalchemy as sa

from app.routes.actions import MOST_UNDER_WAY
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, problem

PAGE = "https://game.example"


ENOUGH = 2 * MOST_UNDER_WAY["POST"]
"""Open files."""


@contextmanager
def open_files(soft: int) -> Iterator[None]:
    """Be allowed so many open files, as is whatever is started meanwhile."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < ENOUGH:
        pytest.skip(f"this machine allows fewer than {ENOUGH} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    with open_files(256):  # as few as a process is ever given; it helps itself to more
        return service.web(ALLOWED_ORIGINS=PAGE)


@pytest.fixture
def crowd(web: Process) -> Iterator[list[socket.socket]]:
    """Connections that are being served, one for each request that is taken on, and some more."""
    with open_files(ENOUGH), ExitStack() as peers:
        address = ("127.0.0.1", web.port)
        found = [
            peers.enter_context(socket.create_connection(address, timeout=10))
            for _ in range(MOST_UNDER_WAY["POST"] + 100)
        ]
        for peer in found:
            peer.sendall(b"GET /top-scores HTTP/1.1\r\nHost: here\r\n\r\n")
        for peer in found:
            assert peer.recv(65_536).startswith(b"HTTP/1.1 200")
        yield found


def test_overload_at_once(web: Process, stores: Stores, alice: Player, crowd: list[socket.socket]) -> None:
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
