"""No connection waits for its client without a bound, whatever it waits for, and the log names those that are cut."""

import contextlib
import socket
import sys
import time
from collections.abc import Iterator

import httpx2
import pytest

from app.serving import http_protocol
from tests.support.live import InProcess, in_process
from tests.support.people import Player
from tests.support.service import NO_LIMITS, Process, Service, Stores, eventually, free_port
from tests.support.sockets import upgrade

GET = b"GET /top-scores HTTP/1.1\r\nHost: x\r\n\r\n"
BOUND = 0.4
"""Seconds, for this test, of what is many in production."""


@pytest.fixture
def server(stores: Stores, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    monkeypatch.setattr(http_protocol, "REQUEST_WITHIN", BOUND)
    monkeypatch.setattr(http_protocol, "TAKEN_WITHIN", BOUND)
    with in_process(stores, caplog, KEEP_ALIVE="1") as server:
        yield server


@contextlib.contextmanager
def connected(server: InProcess) -> Iterator[socket.socket]:
    """Connect with a small buffer, so that soon nothing fits in that isn't read."""
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(10)
        peer.connect(("127.0.0.1", server.port))
        yield peer


def trickle_until_cut(server: InProcess, peer: socket.socket, piece: bytes, *, most: float = 5) -> None:
    """Send a piece again and again, as a client does that wants to be kept, until the connection is gone."""
    eventually(lambda: server.peers, what="that it is accepted")
    deadline = time.monotonic() + most
    with contextlib.suppress(ConnectionError):
        while server.peers:
            assert time.monotonic() < deadline, "it is still open"
            peer.sendall(piece)
            time.sleep(0.02)


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [it.fields["reason"] for it in caplog.records if it.getMessage() == "connection.cut"]  # type: ignore[attr-defined]


EARLY = {
    "401": b"POST /users/x/actions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
    "413": b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
    "405": b"DELETE /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "200": b"GET /top-scores HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
}


@pytest.mark.parametrize("status", EARLY)
def test_body_that_never_ends_after_its_answer_is_cut(
    server: InProcess, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    with connected(server) as peer:
        peer.sendall(EARLY[status])
        assert peer.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())
        trickle_until_cut(server, peer, b"1\r\n{\r\n")
    assert reasons(caplog) == ["request unfinished"]


CHUNKED = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET /healthz HTTP/1.1\r\n", b"X: y\r\n"),
        (GET + b"GET /healthz HTTP/1.1\r\n", b"X: y\r\n"),
        (CHUNKED, b"1\r\n{\r\n"),
        (CHUNKED + b"1;", b"x=y;"),
        (CHUNKED + b"0\r\n", b"X: y\r\n"),
    ],
    ids=["head", "second head", "chunks", "extensions", "trailers"],
)
def test_request_that_trickles_is_cut(
    server: InProcess, caplog: pytest.LogCaptureFixture, begin: bytes, piece: bytes
) -> None:
    with connected(server) as peer:
        peer.sendall(begin)
        trickle_until_cut(server, peer, piece)
    assert reasons(caplog) == ["request unfinished"]


def test_request_with_endless_trailers_is_cut_off(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    with in_process(stores, caplog) as server, connected(server) as peer:
        peer.sendall(CHUNKED + b"0\r\nX: ")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 50_000_000:
                sent += peer.send(b"y" * 65536)
        assert sent < 10_000_000


@pytest.mark.parametrize("leave", [False, True], ids=["stays", "says it will send no more"])
def test_client_that_pipelines_and_never_reads_is_cut(
    server: InProcess, caplog: pytest.LogCaptureFixture, leave: bool
) -> None:
    large = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(server) as peer:
        peer.sendall(large * 90)
        eventually(lambda: server.peers, what="that it is accepted")
        if leave:
            eventually(lambda: server.stuck, what="that nothing can be written")
            peer.shutdown(socket.SHUT_WR)
        eventually(lambda: server.peers == 0, within=5, what="that it is cut")
        assert httpx2.get(f"http://127.0.0.1:{server.port}/healthz").status_code == 200
    assert "answer not taken" in reasons(caplog)


def test_client_that_never_reads_the_last_bytes_is_cut(server: InProcess) -> None:
    # Too few to stop the writer, but what is left of them keeps a connection open that is being closed.
    with connected(server) as peer:
        peer.sendall(GET * 60)
        eventually(lambda: server.peers, what="that it is accepted")
        eventually(lambda: server.peers == 0, within=5, what="that it is cut")


def test_client_that_reads_slowly_but_reads_gets_all_of_it(server: InProcess) -> None:
    page = b"GET /static/page.js HTTP/1.1\r\nHost: x\r\n"
    with connected(server) as peer:
        peer.sendall((page + b"\r\n") * 40 + page + b"Connection: close\r\n\r\n")
        received = 0
        while data := peer.recv(16384):
            received += data.count(b"HTTP/1.1 200 ")
            time.sleep(0.002)
    assert received >= 40  # one that was cut in two by our reads isn't counted


def test_empty_lines_keep_no_connection(server: InProcess) -> None:
    with connected(server) as peer:
        peer.sendall(GET)
        assert peer.recv(65536).startswith(b"HTTP/1.1 200 ")
        trickle_until_cut(server, peer, b"\r\n")


def test_idle_connection_is_kept_for_as_long_as_is_set(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    with in_process(stores, caplog, KEEP_ALIVE="2") as server, connected(server) as peer:
        peer.sendall(GET)
        peer.recv(65536)
        began = time.monotonic()
        assert peer.recv(65536) == b""
        assert 1.5 < time.monotonic() - began < 6


def test_pipeline_has_a_bound(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    with in_process(stores, caplog) as server, connected(server) as peer:
        peer.sendall(GET * 10_000)
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := peer.recv(65536):
                received += data
    assert received.count(b"HTTP/1.1 200 ") <= 102
    assert b"HTTP/1.1 400 " not in received  # it would be the answer to one that was well-formed


def test_requests_before_a_malformed_one_are_answered(web: Process) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as peer:
        peer.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"rubbish\r\n\r\n")
        received = b""
        while data := peer.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 200 ") == 3
    assert b"HTTP/1.1 400 " not in received


def test_client_leaving_in_mid_pipeline_is_no_failure_of_ours(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    with in_process(stores, caplog) as server:  # which looks for tracebacks at its end
        for _ in range(20):
            with connected(server) as peer:
                peer.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        eventually(lambda: server.peers == 0, what="that all are gone")


def test_handshake_behind_requests_without_answers_is_not_taken(web: Process, alice: Player) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as peer:
        peer.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" + upgrade(alice.token))
        received = b""
        while data := peer.recv(65536):
            received += data
    assert b" 101 " not in received


def test_idle_connections_make_room_for_others(service: Service, stores: Stores) -> None:
    port = free_port()
    command = ["bash", "-c", 'ulimit -n 200 && exec "$0" -m app', sys.executable]
    web = service.start("web", command, stores.environment(PORT=str(port), **NO_LIMITS), port)
    eventually(lambda: answers(web), within=20, what="a web process")
    with contextlib.ExitStack() as crowd:
        for number in range(400):
            peer = crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            if number % 2:  # the others never say a word
                peer.sendall(GET)
                assert peer.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert answers(web)
    assert "connections.full" in web.output()


def answers(web: Process) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(f"{web.url}/healthz", timeout=5).status_code == 200
    return False
