"""Opens a WebSocket or a stream on a raw socket."""

import socket


def open_socket(port: int, token: str) -> socket.socket:
    """Open one socket; it blocks, and whatever it is sent is still to be read."""
    return _open(
        port,
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n",
        b" 101 ",
    )


def open_stream(port: int) -> socket.socket:
    """Open one stream, the same way, without a token."""
    return _open(port, "GET /top-scores/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b" 200 ")


def _open(port: int, request: str, status: bytes) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), timeout=10)
    peer.sendall(request.encode())
    head = b""
    while b"\r\n\r\n" not in head:  # only looked at: the first message may follow at once
        head = peer.recv(65_536, socket.MSG_PEEK)
        assert head, "the handshake was not answered"
    peer.recv(head.index(b"\r\n\r\n") + 4)
    assert status in head, head
    return peer
