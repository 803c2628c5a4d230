"""An offer to speak another protocol than WebSocket is ignored, and its request taken like any other."""

import socket

import pytest

from tests.support.people import PASSWORD, Player
from tests.support.service import Process
from tests.support.sockets import upgrade

OFFER = (
    b"Connection: Upgrade, HTTP2-Settings\r\n"
    b"Content-Length: %d\r\n"
    b"Host: 127.0.0.1\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\n"
    b"Upgrade: h2c\r\n"
    b"User-Agent: Java-http-client/17.0.15\r\n"
    b"Content-Type: application/json\r\n"
)
"""What java.net.http.HttpClient sends unless it is told to speak HTTP/1.1; the body comes in a packet of its own."""


def java(method: str, path: str, body: bytes, token: str = "") -> tuple[bytes, bytes]:
    """Return head and body of a request as Java's client sends them."""
    bearer = f"Authorization: Bearer {token}\r\n".encode() if token else b""
    return f"{method} {path} HTTP/1.1\r\n".encode() + OFFER % len(body) + bearer + b"\r\n", body


def answer(peer: socket.socket) -> bytes:
    """Receive one answer with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += peer.recv(65536) or pytest.fail(f"closed after {data!r}")
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += peer.recv(65536) or pytest.fail(f"closed after {data!r}")
    assert len(body) == length
    return head + b"\r\n\r\n" + body


@pytest.mark.parametrize("packets", [1, 2])
def test_offered_h2c_is_ignored(web: Process, alice: Player, packets: int) -> None:
    login = b'{"username": "%s", "password": "%s"}' % (alice.username.encode(), PASSWORD.encode())
    path = f"/users/{alice.user_id}/actions"
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(head: bytes, body: bytes) -> bytes:
            if packets == 1:
                peer.sendall(head + body)
            else:
                peer.sendall(head)
                # The head alone was read when the answer to another connection's request is there.
                assert alice.http.get("/healthz").status_code == 200
                peer.sendall(body)
            return answer(peer)

        assert ask(*java("POST", "/auth/login", login)).startswith(b"HTTP/1.1 200 ")
        assert ask(*java("POST", path, b'{"status": "started"}', alice.token)).startswith(b"HTTP/1.1 201 ")
        action_id = alice.started()
        completed = ask(*java("PUT", f"{path}/{action_id}", b'{"status": "completed"}', alice.token))
        assert completed.startswith(b"HTTP/1.1 200 ")
        assert b'"score":10' in completed
        assert ask(*java("GET", "/top-scores", b"")).startswith(b"HTTP/1.1 200 ")


def test_h2c_offer_is_ignored_with_chunked_body_and_in_pipeline(web: Process, alice: Player) -> None:
    head, _ = java("POST", f"/users/{alice.user_id}/actions", b"", alice.token)
    chunked = head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    request = chunked + b'15\r\n{"status": "started"}\r\n0\r\n\r\n'
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as peer:
        peer.sendall(request * 3 + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while data := peer.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 201 ") == 3
    assert received.count(b"HTTP/1.1 200 ") == 1


def test_offered_h2c_with_two_lengths_is_still_refused(web: Process, alice: Player) -> None:
    head, body = java("POST", f"/users/{alice.user_id}/actions", b'{"status": "started"}', alice.token)
    both = head.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length")
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as peer:
        peer.sendall(both + b"15\r\n" + body + b"\r\n0\r\n\r\n")
        assert answer(peer).startswith(b"HTTP/1.1 400 ")


def test_offered_websocket_is_taken(web: Process, alice: Player) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as peer:
        peer.sendall(upgrade(alice.token))
        assert peer.recv(65536).startswith(b"HTTP/1.1 101 ")
