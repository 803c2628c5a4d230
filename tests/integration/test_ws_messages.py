"""What a WebSocket says, when, and that GET /top-scores says the same."""

import asyncio
import json
import re
import time
import uuid
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise

import httpx2
import pytest

from app.board.publish import Present
from app.concurrency.threads import Threads
from app.domain import messages
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId, id_after, new_id
from app.domain.messages import Update
from app.live import boards, pusher
from app.live.boards import LiveBoards
from app.live.relay import SupervisedRedis
from db import redis
from db.redis import Publisher
from tests.support.board import ALL_TIME, WHOLE
from tests.support.clock import now
from tests.support.live import award, clear, in_process
from tests.support.people import Listener, listener
from tests.support.service import Process, Service, Stores, eventually
from tests.support.sockets import listening, message, refusal, until_version

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def empty(stores: Stores, web: Process) -> None:
    """An empty board, which the web process knows of."""
    update = clear(stores)
    eventually(lambda: httpx2.get(f"{web.url}/top-scores").headers["etag"] == update.etag, what="the empty board")


def test_first_message_comes_at_once_also_when_nobody_has_points(
    web: Process, stores: Stores, empty: None, dora: Listener
) -> None:
    began = now()
    with listening(web, dora.token) as websocket:
        text = websocket.recv(timeout=5)
        assert now() - began < 1
    assert isinstance(text, str)
    first = json.loads(text)
    assert text.startswith('{"type":"top_scores_update","board":"all-time","epoch":"')
    assert list(first) == ["type", "board", "epoch", "version", "payload", "timestamp"]
    assert first["payload"] == []
    assert str(uuid.UUID(first["epoch"])) == first["epoch"]
    assert type(first["version"]) is int
    assert MOMENT.fullmatch(first["timestamp"])
    assert stores.redis.get("top_scores:10") == text.encode()
    assert stores.redis.ttl("top_scores:10") == -1


def test_board_is_the_same_bytes_everywhere(web: Process, stores: Stores, empty: None, dora: Listener) -> None:
    emil = listener(stores, "emil")
    with listening(web, dora.token) as websocket:
        first = message(websocket)
        award(stores, emil.user_id, 5)
        update = award(stores, dora.user_id, 7)
        received = until_version(websocket, update)
    last = received[-1]
    assert last["payload"] == [
        {"userId": dora.user_id, "username": dora.username, "score": 7, "rank": 1},
        {"userId": emil.user_id, "username": emil.username, "score": 5, "rank": 2},
    ]
    assert [list(row) for row in last["payload"]] == [["userId", "username", "score", "rank"]] * 2
    versions = [it["version"] for it in (first, *received)]
    assert versions == sorted(set(versions))
    assert {it["epoch"] for it in (first, *received)} == {first["epoch"]}
    assert stores.redis.get("top_scores:10") == update.text.encode()
    answer = httpx2.get(f"{web.url}/top-scores?board=all-time")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["etag"] == f'"{last["epoch"]}-{last["version"]}"'
    assert b'"payload":' + answer.content + b"," in update.text.encode()
    committed = stores.value('SELECT to_char(updated_at, \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\') FROM boards')
    assert last["timestamp"] == committed
    second = datetime.fromisoformat(committed).replace(microsecond=0)
    for headers in ({}, {"If-None-Match": answer.headers["etag"]}):
        again = httpx2.get(f"{web.url}/top-scores", headers=headers)
        assert parsedate_to_datetime(again.headers["last-modified"]) == second, again.status_code


def test_board_shows_ten_only_and_ties_go_to_who_was_first(web: Process, stores: Stores, empty: None) -> None:
    crowd = [listener(stores, f"p{number}") for number in range(12)]
    for player in crowd:
        update = award(stores, player.user_id)
    eventually(lambda: httpx2.get(f"{web.url}/top-scores").headers["etag"] == update.etag, what="the board")
    shown = httpx2.get(f"{web.url}/top-scores").json()
    assert [row["userId"] for row in shown] == [player.user_id for player in crowd[:10]]
    assert [row["rank"] for row in shown] == list(range(1, 11))


def test_unchanged_board_is_a_304(web: Process, stores: Stores, empty: None, dora: Listener) -> None:
    etag = httpx2.get(f"{web.url}/top-scores").headers["etag"]
    matching = [etag, f"W/{etag}", "*", f'"other", {etag}', f'"other",W/{etag} , "third"']
    for value in matching:
        answer = httpx2.get(f"{web.url}/top-scores", headers={"If-None-Match": value})
        assert (answer.status_code, answer.content) == (304, b""), value
        assert answer.headers["etag"] == etag
    on_two_lines = [("If-None-Match", '"other"'), ("If-None-Match", etag)]
    assert httpx2.get(f"{web.url}/top-scores", headers=on_two_lines).status_code == 304
    for value in ('"other"', etag.strip('"'), etag.replace("-", ""), ""):
        assert httpx2.get(f"{web.url}/top-scores", headers={"If-None-Match": value}).status_code == 200, value
    update = award(stores, dora.user_id)
    eventually(lambda: httpx2.get(f"{web.url}/top-scores").headers["etag"] == update.etag, within=1, what="a new one")
    assert httpx2.get(f"{web.url}/top-scores", headers={"If-None-Match": etag}).status_code == 200


def test_pusher_sends_one_board_an_interval_always_the_newest(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The pace is the sender's, so it is measured by the sender's clock, where a board is handed to the socket."""
    clear(stores)
    sent: list[float] = []
    note = pusher.Followed.sent

    def watched(it: pusher.Followed, update: Update) -> None:
        sent.append(time.monotonic())
        note(it, update)

    monkeypatch.setattr(pusher.Followed, "sent", watched)
    with in_process(stores, caplog, PUSH_INTERVAL_MS="400") as server, listening(server, dora.token) as websocket:
        message(websocket)
        for _ in range(30):
            update = award(stores, dora.user_id)
        until_version(websocket, update)
        assert len(sent) < 30
        with pytest.raises(TimeoutError):
            websocket.recv(timeout=0.8)
        update = award(stores, dora.user_id)
        until_version(websocket, update)
    assert all(later - earlier > 0.39 for earlier, later in pairwise(sent))


def test_pusher_without_an_interval_sends_every_board(service: Service, stores: Stores, dora: Listener) -> None:
    clear(stores)
    web = service.web(PUSH_INTERVAL_MS="0")
    with listening(web, dora.token) as websocket:
        message(websocket)
        for _ in range(20):
            update = award(stores, dora.user_id)
            assert message(websocket)["version"] == update.stamp[1]


def test_heartbeat_names_the_version_last_pushed(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clear(stores)
    monkeypatch.setattr(pusher, "HEARTBEAT_EVERY", 0.3)
    award(stores, dora.user_id)
    with in_process(stores, caplog) as server, listening(server, dora.token) as websocket:
        first = message(websocket)
        beats = [message(websocket) for _ in range(3)]
        # By the sender's clock, which wrote these: when they were read says nothing of its pace.
        sent = [datetime.fromisoformat(beat["timestamp"]) for beat in beats]
        assert all((later - earlier).total_seconds() > 0.29 for earlier, later in pairwise(sent))
        for beat in beats:
            assert list(beat) == ["type", "board", "epoch", "version", "timestamp", "broadcasting"]
            assert (beat["type"], beat["broadcasting"]) == ("heartbeat", True)
            assert MOMENT.fullmatch(beat["timestamp"])
            other = {"type": 0, "timestamp": 0, "broadcasting": True}
            assert {**first, **beat, **other} == {**first, **other}
        update = award(stores, dora.user_id)
        until_version(websocket, update)
        beat = message(websocket)
        assert (beat["type"], beat["version"]) == ("heartbeat", update.stamp[1])


def test_long_interval_holds_back_pushes_but_no_heartbeat(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clear(stores)
    monkeypatch.setattr(pusher, "HEARTBEAT_EVERY", 0.1)
    with (
        in_process(stores, caplog, PUSH_INTERVAL_MS="1000") as server,
        listening(server, dora.token) as websocket,
    ):
        first = message(websocket)
        update = award(stores, dora.user_id)
        beats = [message(websocket) for _ in range(3)]
        assert {(it["type"], it["version"]) for it in beats} == {("heartbeat", first["version"])}
        until_version(websocket, update)


def test_service_sharing_a_redis_server_is_not_shown(web: Process, stores: Stores, empty: None, dora: Listener) -> None:
    """Its database has another number, but pub/sub knows none: every message of its channel arrives here as well."""
    epoch = stores.value("SELECT epoch::text FROM boards")
    with redis.connect(stores.redis_url.rpartition("/")[0] + "/9", timeout=1) as client:
        client.flushdb()
        other = Publisher.on(client)
        with listening(web, dora.token) as websocket:
            message(websocket)
            for version in range(1, 41):
                rows = [messages.Row(UserId(new_id()), "stranger", version, 1)]
                stamp = (id_after(epoch), version)
                theirs = messages.update(DEFAULT_BOARD, stamp, rows, datetime.now(UTC))
                assert other.publish([theirs])[0].taken
            update = award(stores, dora.user_id)
            assert message(websocket) == json.loads(update.text)
            with pytest.raises(TimeoutError):
                websocket.recv(timeout=1.5)
        client.flushdb()
    assert stores.value("SELECT epoch::text FROM boards") == epoch
    assert httpx2.get(f"{web.url}/top-scores").headers["etag"] == update.etag


def test_live_board_seldom_asks_postgresql_for_foreign_messages(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = award(stores, dora.user_id)
    theirs = messages.update(DEFAULT_BOARD, (id_after(ours.stamp[0]), 1), [], datetime.now(UTC))
    asked: list[float] = []

    def counted(*_: object, **__: object) -> dict[BoardId, Present]:
        asked.append(time.monotonic())
        return {DEFAULT_BOARD: Present(ours, WHOLE, None)}

    monkeypatch.setattr(boards, "publish_all", counted)
    monkeypatch.setattr(boards, "CHECK_AGAIN", 0.1)
    monkeypatch.setattr(boards, "CHECK_EVERY", 60.0)

    async def flood() -> Update | None:
        threads = Threads("test", 2, depth=10)
        relay = SupervisedRedis(stores.redis_url)
        live = LiveBoards({DEFAULT_BOARD: ALL_TIME}, stores.engine, Publisher.on(stores.redis), relay, threads)
        board = live[DEFAULT_BOARD]
        checking = asyncio.create_task(live.check_for_ever())
        began = time.monotonic()
        while time.monotonic() - began < 0.5:
            board.offer(theirs)
            await asyncio.sleep(0.001)
        checking.cancel()
        threads.close()
        await relay.disconnect()
        return board.update

    with asyncio.Runner() as runner:
        assert runner.run(flood()) is ours
    assert 2 <= len(asked)
    assert all(later - earlier > 0.09 for earlier, later in pairwise(asked))


def test_token_that_is_presented_must_be_valid(web: Process, stores: Stores, dora: Listener) -> None:
    def status(authorization: str) -> int:
        return httpx2.get(f"{web.url}/top-scores", headers={"Authorization": authorization}).status_code

    assert status(f"Bearer {dora.token}") == 200
    expired = listener(stores, ttl=1)
    eventually(lambda: status(f"Bearer {expired.token}") == 401, what="its expiry")
    for bad in (f"Bearer {dora.token}x", "Bearer", "Bearer x", "Basic eDp5", dora.token):
        assert status(bad) == 401, bad


def test_token_can_be_required(service: Service, dora: Listener) -> None:
    web = service.web(TOP_SCORES_AUTH="required")
    answer = httpx2.get(f"{web.url}/top-scores")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert httpx2.get(f"{web.url}/top-scores?board=other").status_code == 401
    etag = {"If-None-Match": "*"}
    assert httpx2.get(f"{web.url}/top-scores", headers=etag).status_code == 401
    answer = httpx2.get(f"{web.url}/top-scores", headers={"Authorization": f"Bearer {dora.token}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("board", ["other", "", "All-Time"])
def test_board_of_another_name_is_not_found(web: Process, dora: Listener, board: str) -> None:
    answer = httpx2.get(f"{web.url}/top-scores?board={board}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not-found"
    assert refusal(web, dora.token, path=f"/ws?board={board}").status == 404
