"""Several boards live: one socket follows many, and all of them are published together."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from websockets.sync.client import ClientConnection

from app.board import publish
from app.board.publish import publish_all, read
from app.domain import periods
from app.domain.ids import DEFAULT_BOARD
from db import driver
from db.redis import Publisher, top_scores_key
from tests.support.many_boards import DAILY, RULES, THREE, WEEKLY, award, receive, shown, write
from tests.support.people import Listener, listener
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.sockets import listening, message, refusal


@pytest.fixture(scope="module")
def boards_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("rules"))


@pytest.fixture(scope="module")
def web(service: Service, boards_file: str) -> Process:
    return service.web(BOARDS_FILE=boards_file)


def send(websocket: ClientConnection, **wish: Any) -> None:
    websocket.send(json.dumps(wish))


def test_socket_follows_the_boards_that_its_client_asks_for(web: Process, stores: Stores, dora: Listener) -> None:
    today = periods.shown(RULES[DAILY], datetime.now(UTC)).label
    with listening(web, dora.token, path="/ws?board=daily&me=1") as websocket:
        first = message(websocket)
        assert list(first) == ["type", "board", "epoch", "version", "payload", "timestamp", "period"]
        assert (first["board"], first["period"]) == (DAILY, today)
        own = message(websocket)
        assert (own["type"], own["board"], own["period"], own["score"]) == ("own_scores", DAILY, today, 0)
        send(websocket, subscribe=["weekly", "nowhere", "daily", "all-time", "weekly", "Weekly"])
        heard = [message(websocket) for _ in range(5)]
        assert {"type": "refused", "boards": ["nowhere", "Weekly"], "code": "not-found"} in heard
        kinds = sorted((it["type"], it.get("board", "")) for it in heard if it["type"] != "refused")
        told = [("own_scores", "all-time"), ("own_scores", "weekly")]
        assert kinds == [*told, *(("top_scores_update", board) for _, board in told)]
        assert {"period" in it for it in heard if it.get("board") == DEFAULT_BOARD} == {False}
        award(stores, dora.user_id, 7)
        updates = receive(websocket, 3)
        assert [shown(it)[dora.user_id] for it in updates.values()] == [7, 7, 7]
        send(websocket, unsubscribe=["weekly", "nowhere"])
        award(stores, dora.user_id, 1)
        while (later := receive(websocket, 1)).keys() == {WEEKLY}:
            pass  # it was on its way
        assert shown(next(iter(later.values())))[dora.user_id] == 8
        send(websocket, subscribe=["weekly"], unsubscribe=["daily", "all-time"])
        while (again := receive(websocket, 1)).keys() != {WEEKLY}:
            pass
        assert shown(again[WEEKLY])[dora.user_id] == 8
        answer = httpx2.get(f"{web.url}/top-scores?board=weekly")
        assert answer.json() == again[WEEKLY]["payload"]
        assert answer.headers["etag"] == f'"{again[WEEKLY]["epoch"]}-{again[WEEKLY]["version"]}"'
        unchanged = httpx2.get(f"{web.url}/top-scores?board=weekly", headers={"If-None-Match": answer.headers["etag"]})
        assert unchanged.status_code == 304


def test_frame_that_asks_for_nothing_is_ignored_and_sixteen_boards_are_followed(web: Process, dora: Listener) -> None:
    with listening(web, dora.token) as websocket:
        message(websocket)
        for frame in ("", "[]", "{", "null", '{"subscribe":"daily"}', '{"subscribe":[1]}', '{"follow":["daily"]}'):
            websocket.send(frame)
        send(websocket, unsubscribe=["weekly"], subscribe=[])
        send(websocket, subscribe=sorted(set(RULES) - {DEFAULT_BOARD}))
        heard = [message(websocket) for _ in range(16)]
        (refused,) = [it for it in heard if it["type"] == "refused"]
        assert (
            refused == {"type": "refused", "boards": [DAILY, WEEKLY], "code": "too-many-boards"}
            or refused["boards"] == sorted(set(RULES) - {DEFAULT_BOARD})[15:]
        )
        assert len({it["board"] for it in heard if it["type"] == "top_scores_update"}) == 15
        send(websocket, unsubscribe=["all-time"], subscribe=["weekly"])
        assert message(websocket)["board"] == WEEKLY


def test_board_shows_as_many_places_as_its_rule_says(web: Process, stores: Stores) -> None:
    for number in range(13):
        award(stores, listener(stores, "p").user_id, 1000 + number)
    eventually(lambda: len(httpx2.get(f"{web.url}/top-scores?board=weekly").json()) == 12, what="twelve places")
    assert [it["rank"] for it in httpx2.get(f"{web.url}/top-scores?board=weekly").json()] == list(range(1, 13))
    assert len(httpx2.get(f"{web.url}/top-scores?board=daily").json()) == 10


@pytest.mark.parametrize("query", ["board=none", "board=daily&period=x", "period=2026-11-28", "board=contest&period=1"])
def test_board_or_period_that_there_is_not_is_not_found(web: Process, dora: Listener, query: str) -> None:
    problem(httpx2.get(f"{web.url}/top-scores?{query}"), 404, "not-found")
    if "period" not in query:
        assert refusal(web, dora.token, path=f"/ws?{query}").status == 404


def test_season_is_shown_before_and_after_it(web: Process, dora: Listener) -> None:
    assert httpx2.get(f"{web.url}/top-scores?board=contest").json() == []
    with listening(web, dora.token, path="/ws?board=contest") as websocket:
        assert "period" not in message(websocket)


def test_three_boards_are_read_in_one_statement_and_published_in_one_call(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    award(stores, dora.user_id, 1)
    calls: list[str] = []

    def counted(call: Any) -> Any:
        def execute(conn: sa.Connection, statement: Any, *args: Any, **options: Any) -> Any:
            calls.append(str(statement))
            return call(conn, statement, *args, **options)

        return execute

    publisher = Publisher.on(stores.redis)
    send_command: Any = type(stores.redis).execute_command

    def sent(self: Any, *args: Any, **options: Any) -> Any:
        calls.append(str(args[0]))
        return send_command(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(sa.Connection, "execute", counted(sa.Connection.execute))
        patch.setattr("db.published.fetch", counted(driver.fetch))
        patch.setattr(type(stores.redis), "execute_command", sent)
        publish_all(stores.engine, publisher, THREE)
    assert [it.split()[0] for it in calls] == ["SELECT", "EVALSHA"]


def test_present_period_is_that_of_postgresqls_clock(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where this host's clock is a month off."""
    here = datetime.now(UTC)

    class Off(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return here + timedelta(days=31)

    read(stores.engine, RULES[WEEKLY])
    monkeypatch.setattr(publish, "datetime", Off)
    rows = stores.value("SELECT count(*) FROM boards")
    found = publish.read(stores.engine, RULES[WEEKLY])
    assert found.period == periods.shown(RULES[WEEKLY], stores.value("SELECT clock_timestamp()")).label
    assert stores.value("SELECT count(*) FROM boards") == rows, "no period begins before its time"


def test_period_of_a_restored_backup_begins_a_greater_epoch(stores: Stores, dora: Listener) -> None:
    award(stores, dora.user_id, 4)
    before = read(stores.engine, RULES[WEEKLY])
    stores.execute("UPDATE boards SET version = version - 1 WHERE board = 'weekly'")
    award(stores, dora.user_id, 0)
    after = read(stores.engine, RULES[WEEKLY])
    assert after.stamp[0] > before.stamp[0]
    assert stores.redis.get(top_scores_key(WEEKLY)) == after.text.encode()
    assert after.period == before.period
