"""GET /top-scores/stream: the messages of the WebSocket for anybody, and how it begins, goes on and ends."""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest

from app.access import revocation
from app.board import freeze, top
from app.domain import counting
from app.domain.ids import DEFAULT_BOARD, UserId, new_id
from app.domain.messages import Row, update
from app.live import pusher
from app.serving.event_stream import event
from db import feature_flags
from db.transaction import in_transaction
from tests.support.board import ALL_TIME, BOARDS
from tests.support.live import InProcess, award, clear, in_process
from tests.support.people import Listener, end_tokens, listener, suspend
from tests.support.service import Process, Service, Stores, eventually
from tests.support.sockets import listening, message, refusal
from tests.support.streams import PATH, refused, streaming

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def server(stores: Stores, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    monkeypatch.setattr(revocation, "POLL_EVERY", 0.1)
    clear(stores)
    with in_process(stores, caplog) as server:
        yield server


def current(server: Process | InProcess) -> str:
    """Return the id of the board's version that a process holds."""
    answer = httpx2.get(f"http://127.0.0.1:{server.port}/top-scores")
    return str(answer.headers["etag"]).strip('"')


def test_stream_carries_the_very_messages_of_the_socket(web: Process, stores: Stores, dora: Listener) -> None:
    clear(stores)
    with streaming(web) as stream, listening(web, dora.token) as websocket:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert "no-store" in stream.headers["cache-control"]
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["x-request-id"]
        socket_sent, first, beat = websocket.recv(timeout=10), stream.next(), stream.next()
        for _ in range(2):
            assert first.id == f"{first.json['epoch']}-{first.json['version']}"
            if first.data == socket_sent:
                break
            first = stream.update()  # it began before the board was cleared
        assert (beat.id, beat.json["type"], beat.json["broadcasting"]) == (None, "heartbeat", True)
        for points in (5, 7):
            newer = award(stores, dora.user_id, points)
            sent = websocket.recv(timeout=10)
            received = stream.update()
            assert received.data == sent == newer.text
            assert received.name == "message"
            assert f'"{received.id}"' == newer.etag
    with streaming(web, "?board=weekly") as weekly:
        assert weekly.next().json["board"] == "weekly"
    answer = httpx2.head(f"{web.url}{PATH}")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "text/event-stream", b"")
    numbers = httpx2.get(f"{web.url}/metrics").text
    assert "stream_connections" in numbers
    assert "stream_messages_total" in numbers


def test_stream_that_is_resumed_is_sent_nothing_twice_and_nothing_older(
    server: InProcess, stores: Stores, dora: Listener
) -> None:
    first = award(stores, dora.user_id)
    eventually(lambda: f'"{current(server)}"' == first.etag, what="the board")
    seen = current(server)
    with streaming(server, last=seen) as stream:
        beat = stream.next().json
        assert (beat["type"], f"{beat['epoch']}-{beat['version']}") == ("heartbeat", seen)
        second = award(stores, dora.user_id)
        assert stream.next().data == second.text
    for old in (seen, "", "nonsense", f"{new_id()}-x", f"{'0' * 36}-1", f"{first.stamp[0]}-99999999999999999999"):
        with streaming(server, last=old) as stream:
            assert stream.next().data == second.text, old

    # Another process has shown what this one was not told of yet.
    moment = stores.value("SELECT clock_timestamp()")
    unpublished = lambda conn: top.add(conn, BOARDS, counting.adjusted(BOARDS, dora.user_id, 5, moment))  # noqa: E731
    in_transaction(stores.engine, unpublished)
    epoch, version = stores.rows("SELECT epoch::text, version FROM boards WHERE id = 'all-time'")[0]
    with streaming(server, last=f"{epoch}-{version}") as stream:
        beat = stream.next().json
        assert (beat["type"], beat["version"]) == ("heartbeat", version)
    # One that nobody can have been sent is not waited for.
    with streaming(server, last=f"{epoch}-{version + 5}") as stream:
        assert stream.next().json["version"] == version


def test_stream_is_admitted_as_the_socket_is_but_without_a_token(
    service: Service, stores: Stores, dora: Listener
) -> None:
    web = service.web(WS_MAX_PER_IP="3", WS_MAX_PER_USER="1")
    emil = listener(stores, "emil")
    assert refused(web, "?board=yearly") == (404, "not-found")
    assert refused(web, authorization="Bearer nonsense") == (401, "unauthorized")
    assert refused(web, "?token=nonsense") == (401, "unauthorized")
    with listening(web, emil.token), streaming(web, f"?token={dora.token}") as first, streaming(web) as second:
        assert first.next().id
        assert second.next().id
        assert refused(web) == (429, "too-many-connections")
        assert refusal(web, emil.token).code == "too-many-connections"
        shown = httpx2.get(f"{web.url}/metrics").text
        assert "\nstream_connections 2.0\n" in shown
        assert "\nws_connections 1.0\n" in shown
    eventually(lambda: "\nstream_connections 0.0\n" in httpx2.get(f"{web.url}/metrics").text, what="that they are gone")
    with streaming(web, authorization=f"Bearer {dora.token}") as first:
        first.next()
        assert refused(web, authorization=f"Bearer {dora.token}") == (429, "too-many-connections")
    assert dora.token not in web.output()

    closed = service.web(TOP_SCORES_AUTH="required", RATE_LIMIT_WS="4/hour")
    assert refused(closed) == (401, "unauthorized")
    with streaming(closed, f"?token={dora.token}") as stream:
        assert stream.next().id
    suspend(stores, emil.user_id)
    assert refused(closed, f"?token={emil.token}") == (403, "user-suspended")
    with streaming(closed, authorization=f"Bearer {dora.token}") as stream:
        assert stream.next().id
    assert refused(closed, f"?token={dora.token}") == (429, "rate-limited")


def test_stream_ends_with_its_token_its_user_and_its_process(
    server: InProcess, service: Service, stores: Stores
) -> None:
    emil, frida = listener(stores, "emil"), listener(stores, "frida")
    with streaming(server, f"?token={emil.token}") as first, streaming(server, f"?token={frida.token}") as second:
        for stream in (first, second):
            stream.next()
        end_tokens(stores, emil.user_id)
        assert first.end().json["code"] == 4401
        suspend(stores, frida.user_id)
        ended = second.end()
        assert (ended.json["code"], ended.id, ended.retry) == (4403, None, None)
    web = service.web()
    with streaming(web) as stream:
        stream.next()
        web.popen.send_signal(signal.SIGTERM)
        ended = stream.end()
        assert ended.json["code"] == 1012
        assert 500 <= int(ended.retry or 0) <= 5000
    assert web.popen.wait(timeout=15) == 0
    assert "stream.disconnected" in web.output()


def test_pause_and_freeze_are_told_alike_by_socket_stream_and_get(
    server: InProcess, stores: Stores, dora: Listener
) -> None:
    url = f"http://127.0.0.1:{server.port}/top-scores"
    award(stores, dora.user_id)

    def flag(enabled: bool) -> None:
        name = feature_flags.BROADCAST
        in_transaction(stores.engine, lambda conn: feature_flags.write(conn, name, enabled=enabled, actor="cli"))
        server.call(server.web.boards.check())

    def paused(**headers: str) -> bool:
        answers = [httpx2.get(it, headers=headers) for it in (url, f"{url}?board=all-time")]
        said = {it.headers.get("broadcasting") for it in answers}
        assert said in ({None}, {"false"})
        return said == {"false"}

    with (
        streaming(server) as stream,
        listening(server, dora.token, path="/ws?state=1") as socket,
        listening(server, dora.token) as plain,
    ):
        seen = stream.next().id
        assert message(socket)["type"] == message(plain)["type"] == "top_scores_update"
        assert stream.next().json["broadcasting"] is message(socket)["broadcasting"] is True
        assert not paused()
        flag(False)
        try:
            assert stream.next().json["broadcasting"] is message(socket)["broadcasting"] is False
            newest = award(stores, dora.user_id)
            eventually(lambda: httpx2.get(url).headers["etag"] == newest.etag, what="the newest")
            assert paused()
            assert paused(**{"If-None-Match": newest.etag})
            with pytest.raises(TimeoutError):
                stream.next(within=0.2)
            for it in (socket, plain):
                with pytest.raises(TimeoutError):
                    it.recv(timeout=0)
            with streaming(server, last=str(seen)) as again:
                beat = again.next().json
                assert (beat["type"], beat["broadcasting"]) == ("heartbeat", False), "it stands still here, too"
            with streaming(server) as newcomer:
                assert newcomer.next().data == newest.text
                assert newcomer.next().json["broadcasting"] is False
        finally:
            flag(True)
        assert stream.next().data == newest.text
        assert stream.next().json["broadcasting"] is True
        assert [message(socket)["type"] for _ in range(2)] == ["top_scores_update", "heartbeat"]
        assert message(plain)["type"] == "top_scores_update"
        assert not paused()
        why = {"actor": "shell", "reason": "a test"}
        in_transaction(stores.engine, lambda conn: freeze.freeze(conn, DEFAULT_BOARD, at=None, **why))
        server.call(server.web.boards.check())
        shown = stream.next()
        assert shown.json["frozen"] is True
        assert message(socket) == message(plain) == shown.json
        beat = stream.next().json
        assert list(beat)[-2:] == ["broadcasting", "frozen"]
        assert beat["frozen"] is message(socket)["frozen"] is True
        assert httpx2.get(url).headers["board-frozen"] == shown.json["frozenSince"]
        with streaming(server, last=shown.id) as again:
            assert again.next().json["frozen"] is True, "who has seen the board is told"
        in_transaction(stores.engine, lambda conn: freeze.thaw(conn, ALL_TIME, DEFAULT_BOARD, **why))
        server.call(server.web.boards.check())
        assert "frozen" not in stream.next().json
        assert "frozen" not in stream.next().json


def test_message_is_an_event_whatever_its_lines() -> None:
    assert event('{"a":\r\n1}\n') == b'data: {"a":\ndata: 1}\ndata: \n\n'
    text = '{"type":"top_scores_update","epoch":"a\\nid: b","version":1}'
    assert event(text) == b"data: " + text.encode() + b"\n\n", "no id that would break its line"


def test_reader_that_takes_nothing_is_dropped_and_holds_nobody_up(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pusher, "SEND_WITHIN", 0.5)
    with in_process(stores, caplog, PUSH_INTERVAL_MS="0") as server:
        with streaming(server) as stream, streaming(server, receive_buffer=1024):
            for number in range(1000):
                held = server.web.board.update
                assert held is not None
                row = Row(UserId("x"), "x" * 400_000, number, 1)
                large = update(held.board, (held.stamp[0], held.stamp[1] + 1), [row], datetime.now(UTC))
                server.show(large)
                while stream.update().data != large.text:
                    pass
                if server.peers == 1:
                    break
                time.sleep(0.02)
            assert server.peers == 1, "the blocked connection is still there"
    ends = [it.fields for it in caplog.records if it.getMessage() == "stream.disconnected"]  # type: ignore[attr-defined]
    assert (ends[0]["code"], ends[0]["reason"]) == (4408, "slow")
    assert server.web.connections.count == 0
