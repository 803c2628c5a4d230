"""WebSockets: one way to open them, and what is received, sent and broken on them."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from app.domain.messages import Update
from tests.support.clock import now


class Server(Protocol):
    """Whatever listens on a port of this machine."""

    @property
    def port(self) -> int: ...


@contextmanager
def listening(
    server: Server, token: str | None = None, *, path: str = "/ws", host: str = "127.0.0.1", **options: Any
) -> Iterator[ClientConnection]:
    """Open a WebSocket; `host` is what the Host header says."""
    headers = dict(options.pop("additional_headers", {}))
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    peer = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    try:
        with connect(f"ws://{host}{path}", sock=peer, additional_headers=headers, proxy=None, **options) as websocket:
            yield websocket
    finally:
        peer.close()


def receive(websocket: ClientConnection, ends: float) -> str | bytes:
    """Receive until a moment of now().

    Raises:
        TimeoutError: when nothing has come by then.
    """
    while True:
        try:
            return websocket.recv(timeout=min(0.1, max(0.0, ends - now())))
        except TimeoutError:
            if now() >= ends:
                raise


def message(websocket: ClientConnection, *, within: float = 10.0) -> dict[str, Any]:
    """Receive one message."""
    received = json.loads(receive(websocket, now() + within))
    assert isinstance(received, dict)
    return received


@dataclass(frozen=True)
class Refusal:
    """How a handshake was refused."""

    status: int
    code: str
    headers: dict[str, str]


def refusal(server: Server, token: str | None = None, **options: Any) -> Refusal:
    """Try to open a WebSocket, and give the answer that refuses it, which must be a problem document."""
    with pytest.raises(InvalidStatus) as caught, listening(server, token, **options):
        pass
    response = caught.value.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    assert headers["content-type"] == "application/problem+json"
    assert response.body
    problem = json.loads(response.body)
    assert problem["status"] == response.status_code
    assert problem["requestId"] == headers["x-request-id"]
    assert {"type", "title", "detail"} <= problem.keys()
    return Refusal(response.status_code, problem["code"], headers)


def until_version(websocket: ClientConnection, update: Update, *, within: float = 5.0) -> list[dict[str, Any]]:
    """Receive until the message of an update comes, and give all the updates that came."""
    ends = now() + within
    received = []
    while True:
        text = receive(websocket, ends)
        message = json.loads(text)
        if message["type"] == "top_scores_update":
            received.append(message)
        if text == update.text:
            return received


def code_of(websocket: ClientConnection, *, within: float) -> int | None:
    """Receive until the server closes, and give its code."""
    ends = now() + within
    while True:
        try:
            receive(websocket, ends)
        except TimeoutError:
            raise AssertionError(f"it was not closed within {within} s") from None
        except Exception:  # whatever the library calls it: the connection is closed
            return websocket.close_code


def upgrade(token: str, *, path: str = "/ws", more: str = "") -> bytes:
    """Return the bytes that ask for a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n{more}\r\n"
    ).encode()


def frame(opcode: int, payload: bytes = b"", *, masked: bool = True, last: bool = True) -> bytes:
    """Return a frame as a client sends it, masked with zeros; `last` of its message or not."""
    size = len(payload)
    length = struct.pack("!B", size | masked << 7) if size < 126 else struct.pack("!BH", 126 | masked << 7, size)
    return bytes([last << 7 | opcode]) + length + (b"\0\0\0\0" if masked else b"") + payload


def raw_peer(server: Server, *, receive_buffer: int | None = None) -> socket.socket:
    """Connect without a client library."""
    peer = socket.socket()
    if receive_buffer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    peer.settimeout(10)
    peer.connect(("127.0.0.1", server.port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def reset(peer: socket.socket) -> None:
    """Leave without a goodbye: RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
