"""What the tests of the live board share: listeners, moves of the board without a worker, a server within reach."""

import asyncio
import json
import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import pytest
import sqlalchemy as sa
import uvicorn
import uvloop
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from app.access.tokens import Tokens
from app.board import top
from app.board.publish import publish
from app.domain.ids import DEFAULT_BOARD, UserId, new_id
from app.domain.messages import Update
from app.main import create_app
from app.serving.http_protocol import HttpProtocol
from app.serving.websocket_protocol import WebSocketProtocol
from app.web import Web
from config.settings import DEVELOPMENT_SECRET, load
from db import audit_events, boards, standings, users
from db.redis import TOP_SCORES_CHANNEL, Publisher
from db.transaction import in_transaction
from tests.support.service import NO_LIMITS, Process, Stores, eventually, unique

T = TypeVar("T")

_COMPLAINTS = re.compile(r"Traceback|never retrieved|never awaited|Exception in ASGI|without completing handshake")


class Server(Protocol):
    """Whatever listens on a port of this machine."""

    @property
    def port(self) -> int: ...


@dataclass(frozen=True)
class Listener:
    """Somebody with an account and a token, made without HTTP."""

    user_id: UserId
    username: str
    token: str


def listener(stores: Stores, name: str = "listener", *, ttl: int = 3600, secret: str = DEVELOPMENT_SECRET) -> Listener:
    """Add a user, and sign a token for it."""
    user_id, username = UserId(new_id()), unique(name)
    email = f"{username}@example.org"
    in_transaction(
        stores.engine, lambda conn: users.insert(conn, user_id, username=username, email=email, password_hash="-")
    )
    return Listener(user_id, username, Tokens(secret, (), ttl).issue(user_id, 0))


def award(stores: Stores, user_id: UserId, points: int = 10) -> Update:
    """Raise a user's standing as settling does, publish the board, and give it."""
    moment: datetime = stores.value("SELECT clock_timestamp()")

    def settle(conn: sa.Connection) -> None:
        standings.raise_scores_with_next(conn, DEFAULT_BOARD, [(user_id, points, moment)])
        top.refresh(conn, DEFAULT_BOARD, [user_id])

    in_transaction(stores.engine, settle)
    return publish(stores.engine, Publisher.on(stores.redis), DEFAULT_BOARD)


def clear(stores: Stores) -> Update:
    """Take everybody off the board."""

    def forget(conn: sa.Connection) -> None:
        version, _ = boards.lock_and_read(conn, DEFAULT_BOARD, [])
        conn.execute(sa.text("DELETE FROM standings"))
        boards.write_top_with_next(conn, DEFAULT_BOARD, version + 1, [])

    in_transaction(stores.engine, forget)
    return publish(stores.engine, Publisher.on(stores.redis), DEFAULT_BOARD)


def suspend(stores: Stores, user_id: UserId) -> None:
    """Suspend a user, as an operator's command does."""

    def change(conn: sa.Connection) -> None:
        conn.execute(sa.text("UPDATE users SET status = 'suspended' WHERE id = :id"), {"id": user_id})
        audit_events.record(conn, "suspended", actor="system", user_id=user_id, reason="a test")

    in_transaction(stores.engine, change)


def end_tokens(stores: Stores, user_id: UserId, version: int = 0) -> None:
    """Log a user out, as /auth/logout does."""

    def change(conn: sa.Connection) -> None:
        assert users.end_tokens(conn, user_id, version)
        audit_events.record(conn, "logged_out", actor=user_id, user_id=user_id)

    in_transaction(stores.engine, change)


def forge(stores: Stores, *, epoch: str, version: int, key: bool = True, channel: bool = True) -> str:
    """Put a message that the database knows nothing of into the key, onto the channel, or both."""
    rows = [{"userId": new_id(), "username": "forger", "score": 1, "rank": 1}]
    message = {
        "type": "top_scores_update",
        "board": "all-time",
        "epoch": epoch,
        "version": version,
        "payload": rows,
        "timestamp": "2026-01-01T00:00:00.000Z",
    }
    text = json.dumps(message, separators=(",", ":"))
    if key:
        stores.redis.set("top_scores:10", text)
    if channel:
        stores.redis.publish(TOP_SCORES_CHANNEL, text)
    return text


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
        with connect(
            f"ws://{host}{path}", sock=peer, additional_headers=headers, proxy=None, compression=None, **options
        ) as websocket:
            yield websocket
    finally:
        peer.close()


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
    deadline = time.monotonic() + within
    received = []
    while True:
        text = websocket.recv(timeout=max(0.0, deadline - time.monotonic()))
        message = json.loads(text)
        if message["type"] == "top_scores_update":
            received.append(message)
        if text == update.text:
            return received


def code_of(websocket: ClientConnection, *, within: float) -> int | None:
    """Receive until the server closes, and give its code."""
    deadline = time.monotonic() + within
    while True:
        try:
            websocket.recv(timeout=max(0.0, deadline - time.monotonic()))
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


def complaints(processes: list[Process]) -> list[str]:
    """Return the lines of the processes' logs that no healthy process writes."""
    return [line for it in processes for line in it.output().splitlines() if _COMPLAINTS.search(line)]


class InProcess:
    """A web server in a thread of this process, so that a test can shorten its waits and reach its insides."""

    def __init__(self, stores: Stores, *, ping: float = 20, **env: str) -> None:
        environ = stores.environment(**{**NO_LIMITS, **env})
        settings = load(environ)
        app = create_app(settings)
        self._app: Any = app
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host="127.0.0.1",
                port=0,
                http=HttpProtocol,
                ws=WebSocketProtocol,
                ws_max_size=4096,
                ws_ping_interval=ping,
                ws_ping_timeout=ping,
                ws_per_message_deflate=False,
                log_config=None,
                access_log=False,
                timeout_keep_alive=settings.keep_alive,
                timeout_graceful_shutdown=5,
            )
        )
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                self._loop = runner.get_loop()
                runner.run(self._server.serve())
        except BaseException as error:
            self.failure = error

    def start(self) -> None:
        self._thread.start()
        eventually(lambda: self._server.started or self.failure, what="the server")
        assert self.failure is None
        eventually(lambda: self.web.board.update, what="the first board")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.failure is None

    @property
    def port(self) -> int:
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    @property
    def web(self) -> Web:
        web = self._app.app.state.web
        assert isinstance(web, Web)
        return web

    @property
    def peers(self) -> int:
        """Count the TCP connections that it holds."""
        return len(self._server.server_state.connections)

    @property
    def stuck(self) -> bool:
        """Whether there is a connection whose peer doesn't read what is written."""
        connections: list[Any] = list(self._server.server_state.connections)
        return any(it.flow.write_paused for it in connections)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on its event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def show(self, update: Update) -> None:
        """Let it hold an update that no store knows of."""

        async def take() -> None:
            self.web.board._take(update)

        self.call(take())


@contextmanager
def in_process(
    stores: Stores, caplog: pytest.LogCaptureFixture, *, ping: float = 20, **env: str
) -> Iterator[InProcess]:
    """Serve in a thread, and fail if anything was logged that no healthy process logs."""
    server = InProcess(stores, ping=ping, **env)
    with caplog.at_level(logging.INFO):
        server.start()
        try:
            yield server
        finally:
            server.stop()
    bad = [it for it in caplog.records if it.exc_info or _COMPLAINTS.search(it.getMessage())]
    assert not bad, [(it.getMessage(), it.exc_info) for it in bad]
