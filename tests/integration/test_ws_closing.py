"""How a WebSocket ends: with which code, how soon, and that nothing is left of it."""

import asyncio
import json
import logging
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from starlette.websockets import WebSocket

from app.access import revocation
from app.access.tokens import Tokens
from app.domain.ids import UserId
from app.domain.messages import Row, update
from app.live import pusher
from app.live.close_codes import CloseCode
from app.routes import live
from app.serving import websocket_protocol
from app.web import Web
from config.settings import DEVELOPMENT_SECRET
from tests.support.clock import now
from tests.support.live import InProcess, award, in_process
from tests.support.people import Listener, Player, end_tokens, listener
from tests.support.service import Process, Service, Stores, eventually
from tests.support.sockets import code_of, frame, listening, message, raw_peer, reset, until_version, upgrade

TEXT, CLOSE, PING = 1, 8, 9
NOW = datetime(2026, 1, 1, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("quiet")


def test_socket_ends_with_its_token(service: Service) -> None:
    web = service.web(ACCESS_TOKEN_TTL="2")
    player = Player(web.url, "brief")
    player.login()
    with listening(web, player.token) as websocket:
        message(websocket)
        assert code_of(websocket, within=3) == CloseCode.TOKEN_OVER
        assert time.time() >= player.claims["exp"]
    player.close()


def test_socket_of_a_later_login_stays(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(revocation, "POLL_EVERY", 0.1)
    later = Tokens(DEVELOPMENT_SECRET, (), 60).issue(dora.user_id, 1)
    with in_process(stores, caplog) as server, listening(server, dora.token) as old:
        message(old)
        end_tokens(stores, dora.user_id)
        with listening(server, later) as new:
            message(new)
            assert code_of(old, within=2) == CloseCode.TOKEN_OVER
            with pytest.raises(TimeoutError):
                new.recv(timeout=0.5)


@pytest.mark.parametrize("size", [4097, 8192, 200_000, 5_000_000])
def test_frame_over_4_kib_is_too_large(web: Process, dora: Listener, size: int) -> None:
    with listening(web, dora.token) as websocket:
        message(websocket)
        with suppress(Exception):  # it may be closed while it sends
            websocket.send("x" * size)
        assert code_of(websocket, within=5) == 1009


def test_frame_of_4_kib_is_not(web: Process, dora: Listener) -> None:
    with listening(web, dora.token) as websocket:
        message(websocket)
        websocket.send("x" * 4096)
        websocket.send("")
        assert websocket.ping().wait(5)


def test_message_in_pieces_is_no_way_around_it(web: Process, dora: Listener) -> None:
    with listening(web, dora.token) as websocket:
        message(websocket)
        with suppress(Exception):
            websocket.send(iter(["x" * 1000] * 5))
        assert code_of(websocket, within=5) == 1009


def test_frames_beyond_60_a_minute_are_too_many(web: Process, dora: Listener) -> None:
    with listening(web, dora.token) as websocket:
        message(websocket)
        for _ in range(60):
            websocket.send("x")
        assert websocket.ping().wait(5), "60 are fine"
        websocket.send("x")
        assert code_of(websocket, within=5) == 1008


def test_frames_are_counted_within_the_last_minute(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    passed = 0.0
    monkeypatch.setattr(live, "time", SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + passed))
    with in_process(stores, caplog) as server, listening(server, dora.token) as websocket:
        message(websocket)
        for _ in range(2):
            for _ in range(60):
                websocket.send("x")
            assert websocket.ping().wait(5)
            passed += 61
        assert websocket.close_code is None


def test_binary_is_refused(web: Process, dora: Listener) -> None:
    with listening(web, dora.token) as websocket:
        message(websocket)
        websocket.send(b"x")
        assert code_of(websocket, within=5) == 1003


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(3, b"x"), 1002),
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(0, b"x"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(TEXT, b"\xff") + frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, last=False) + frame(0, last=False) * 60, 1008),
        (frame(TEXT, last=False) + frame(0, last=False) * 5000, 1008),
        (frame(TEXT, b"\xff") + frame(CLOSE, b"\x03\xe8"), 1000),
    ],
)
def test_malformed_frame_ends_the_socket_without_a_traceback(
    web: Process, dora: Listener, sent: bytes, code: int
) -> None:
    with _raw(web, dora) as peer:
        peer.sendall(sent)
        received = _rest(peer)
    assert code.to_bytes(2, "big") in received[-60:]


def test_frame_before_the_handshake_is_answered_does_no_harm(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with in_process(stores, caplog) as server:
        admit = live._admit

        async def slowly(web: Web, websocket: WebSocket) -> object:
            await asyncio.sleep(0.2)
            return await admit(web, websocket)

        monkeypatch.setattr(live, "_admit", slowly)
        for early in (frame(TEXT, b"x" * 5000), frame(TEXT, b"x", masked=False), frame(CLOSE), frame(TEXT, b"hello")):
            peer = raw_peer(server)
            peer.sendall(upgrade(dora.token))
            eventually(lambda: server.peers == 1, what="the connection")
            peer.sendall(early)
            with suppress(TimeoutError, ConnectionError):
                peer.settimeout(0.5)
                _rest(peer)
            reset(peer)
            eventually(lambda: (server.peers, server.web.connections.count) == (0, 0), within=5, what="its end")


def test_sigterm_closes_every_socket_with_1012_and_exits_well(service: Service, stores: Stores, dora: Listener) -> None:
    web = service.web()
    with ExitStack() as stack:
        sockets = [stack.enter_context(listening(web, dora.token)) for _ in range(5)]
        for websocket in sockets:
            message(websocket)
        # One that never reads, and one that vanished without a word, hold nobody up.
        deaf = stack.enter_context(_raw(web, dora))
        assert deaf.fileno() > 0
        began = now()
        web.signal(signal.SIGTERM)
        for websocket in sockets:
            assert code_of(websocket, within=10) == 1012
        assert web.popen.wait(25) == 0
        assert now() - began < 10


def test_closing_peer_does_not_keep_others_from_being_closed(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(websocket_protocol, "CUT_AFTER", 0.5)
    with ExitStack() as stack:
        server = stack.enter_context(in_process(stores, caplog, PUSH_INTERVAL_MS="0"))
        blocked = [stack.enter_context(_blocked(server, dora)) for _ in range(3)]
        for peer in blocked:
            peer.sendall(frame(CLOSE, b"\x03\xe8"))
        eventually(lambda: server.web.connections.count == 0, what="their goodbye")
        with listening(server, dora.token) as websocket:
            websocket.recv(timeout=5)
            server.stop()
            assert code_of(websocket, within=5) == 1012


def test_handshake_under_way_at_shutdown_is_told_to_come_again(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    admit = live._admit

    async def slowly(web: Web, websocket: WebSocket) -> object:
        await asyncio.sleep(0.3)
        return await admit(web, websocket)

    monkeypatch.setattr(live, "_admit", slowly)
    with in_process(stores, caplog) as server, raw_peer(server) as peer:
        peer.sendall(upgrade(dora.token))
        eventually(lambda: server.peers == 1, what="the connection")
        server.stop()
        head, _, body = _rest(peer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in head.lower()
        assert b"content-type: application/problem+json" in head.lower()
        assert json.loads(body)["status"] == 503


def _rest(peer: socket.socket) -> bytes:
    received = b""
    while part := peer.recv(100_000):
        received += part
    return received


@contextmanager
def _raw(server: Process | InProcess, user: Listener, *, receive_buffer: int | None = None) -> Iterator[socket.socket]:
    """Open a WebSocket by hand: it answers nothing by itself, no ping and no close."""
    with raw_peer(server, receive_buffer=receive_buffer) as peer:
        peer.sendall(upgrade(user.token))
        assert peer.recv(12) == b"HTTP/1.1 101"
        yield peer


@contextmanager
def _blocked(server: InProcess, user: Listener) -> Iterator[socket.socket]:
    """Open a WebSocket that reads nothing, and push to it until the server's side is full too."""
    before = set(server.web.connections._by_user[user.user_id])
    with _raw(server, user, receive_buffer=1024) as peer:
        eventually(lambda: len(server.web.connections._by_user[user.user_id]) == len(before) + 1, what="the socket")
        for version in range(40):
            _show_large(server, version)
        yield peer


def _show_large(server: InProcess, version: int) -> str:
    """Push a board of 400 kB, far more than any buffer takes."""
    held = server.web.board.update
    assert held is not None
    large = update(held.board, (held.stamp[0], held.stamp[1] + 1), [Row(UserId("x"), "x" * 400_000, version, 1)], NOW)
    server.show(large)
    return large.text


def test_peer_that_takes_nothing_is_dropped_and_holds_nobody_up(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pusher, "SEND_WITHIN", 1.0)
    monkeypatch.setattr(websocket_protocol, "CUT_AFTER", 0.5)
    with in_process(stores, caplog, PUSH_INTERVAL_MS="0") as server:
        healthy = listener(stores, "healthy")
        with listening(server, healthy.token, max_size=None) as websocket, _raw(server, dora, receive_buffer=1024):
            websocket.recv(timeout=5)
            began = now()
            for version in range(1000):
                text = _show_large(server, version)
                while websocket.recv(timeout=0.5) != text:
                    pass
                if server.peers == 1:
                    break
                time.sleep(0.02)
            assert server.peers == 1, "the blocked connection is still there"
            assert now() - began < 1 + 1 + websocket_protocol.CUT_AFTER + 5
    ends = [it.fields for it in caplog.records if it.getMessage() == "ws.disconnected"]  # type: ignore[attr-defined]
    slow = [it for it in ends if it["userId"] == dora.user_id]
    assert [(it["code"], it["reason"]) for it in slow] == [(4408, "slow")]


def test_peer_that_is_silent_to_pings_is_dropped(
    stores: Stores, dora: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    healthy = listener(stores, "healthy")
    with (
        in_process(stores, caplog, ping=0.5) as server,
        listening(server, healthy.token) as websocket,
        _raw(server, dora) as peer,
    ):
        message(websocket)
        eventually(
            lambda: server.peers == 1, within=1 + websocket_protocol.CUT_AFTER + 1, what="the end of the silent one"
        )
        close = (4408).to_bytes(2, "big") + b"no answer to pings"
        assert peer.recv(65536).endswith(bytes([0x88, len(close)]) + close), "it could have read why"
        until_version(websocket, award(stores, healthy.user_id))
    ends = [it.fields for it in caplog.records if it.getMessage() == "ws.disconnected"]  # type: ignore[attr-defined]
    silent = [it for it in ends if it["userId"] == dora.user_id]
    assert [(it["code"], it["reason"]) for it in silent] == [(1006, "slow")]


def test_peer_that_says_it_failed_was_not_slow(
    stores: Stores, dora: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    with in_process(stores, caplog) as server:
        with listening(server, dora.token) as websocket:
            message(websocket)
            websocket.close(1011)
        eventually(lambda: server.peers == 0, what="its end")
    (end,) = [it.fields for it in caplog.records if it.getMessage() == "ws.disconnected"]  # type: ignore[attr-defined]
    assert (end["code"], end["reason"]) == (1011, "closed")


def test_blocked_peer_vanishing_while_closed_leaves_nothing(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pusher, "SEND_WITHIN", 0.2)
    with in_process(stores, caplog, PUSH_INTERVAL_MS="0") as server:
        for wait in (0.0, 0.3, 0.6, 1.5):
            with _blocked(server, dora) as peer:
                time.sleep(wait)
                reset(peer)
            eventually(lambda: (server.peers, server.web.connections.count) == (0, 0), within=5, what="its end")


def test_pings_of_a_peer_that_never_reads_are_not_queued_for(
    stores: Stores, dora: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    with in_process(stores, caplog, PUSH_INTERVAL_MS="0") as server, _blocked(server, dora) as peer:
        (protocol,) = server._server.server_state.connections
        full = protocol.transport.get_write_buffer_size()
        assert full > 65_536
        for _ in range(100):
            peer.sendall(frame(PING, b"x" * 125) * 100)
        eventually(lambda: peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0, what="the pings")
        assert protocol.transport.get_write_buffer_size() <= full + 1000


def test_token_that_expires_ends_even_a_socket_that_never_reads(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(revocation, "POLL_EVERY", 0.3)
    monkeypatch.setattr(websocket_protocol, "CUT_AFTER", 0.3)
    with in_process(stores, caplog, PUSH_INTERVAL_MS="0") as server, _blocked(server, dora):
        end_tokens(stores, dora.user_id)
        eventually(lambda: server.peers == 0, within=1 + 1 + websocket_protocol.CUT_AFTER, what="its end")
    (end,) = [it.fields for it in caplog.records if it.getMessage() == "ws.disconnected"]  # type: ignore[attr-defined]
    assert end["code"] == CloseCode.TOKEN_OVER


def test_peers_that_leave_at_once_leave_no_task_behind(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with in_process(stores, caplog, WS_MAX_PER_USER="1000", WS_MAX_PER_IP="1000", PUSH_INTERVAL_MS="0") as server:

        async def tasks() -> int:
            return len(asyncio.all_tasks())

        idle = server.call(tasks())
        peers = []
        for turn in range(60):
            peer = raw_peer(server)
            peer.sendall(upgrade(dora.token))
            if turn % 3:
                peer.recv(12)
            peers.append(peer)
            if turn % 7 == 0:
                award(stores, dora.user_id)
        for turn, peer in enumerate(peers):
            if turn % 2:
                peer.sendall(frame(TEXT, b"bye") + frame(CLOSE, b"\x03\xe8"))
            reset(peer) if turn % 4 < 3 else peer.close()
        eventually(lambda: (server.peers, server.web.connections.count) == (0, 0), within=5, what="their end")
        eventually(lambda: server.call(tasks()) <= idle, within=5, what="the end of their tasks")
