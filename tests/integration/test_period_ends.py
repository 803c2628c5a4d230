"""A period's end is felt to the second, by sockets and by GET /top-scores, whatever is away at that moment.

No process of this module has a clock of its own: they would not agree which period is present.
"""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from app.domain import counting, periods
from app.domain.board_rules import BoardRule
from app.domain.errors import DatabaseUnavailable
from app.domain.periods import Period
from app.live import boards as live_boards
from app.live import own_scores, past, pusher
from db import feature_flags
from db.redis import Publisher, connect, top_scores_key
from db.transaction import in_transaction
from tests.support.clock import now
from tests.support.live import InProcess, in_process
from tests.support.many_boards import DAILY, RULES, award, receive, shown, write
from tests.support.people import Listener
from tests.support.service import Stores, eventually, problem
from tests.support.sockets import listening, message


@pytest.fixture(scope="module")
def boards_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("rules"))


class Midnight:
    """Lets the present day, and with it the period of `daily`, end some seconds from now."""

    def __init__(self, stores: Stores, monkeypatch: pytest.MonkeyPatch, *, within: float) -> None:
        self._stores = stores
        now: datetime = stores.value("SELECT clock_timestamp()")
        real = periods.at
        day = real(RULES[DAILY], now)
        assert day is not None
        assert day.ends is not None
        self.before = day
        self.at = now + timedelta(seconds=within)
        shift = day.ends - self.at

        def shifted(rule: BoardRule, moment: datetime) -> Period | None:
            if rule.id != DAILY:
                return real(rule, moment)
            period = real(rule, moment + shift)
            assert period is not None
            assert period.starts is not None
            assert period.ends is not None
            return period._replace(starts=period.starts - shift, ends=period.ends - shift)

        monkeypatch.setattr(periods, "at", shifted)
        monkeypatch.setattr(counting, "at", shifted)
        self.after = shifted(RULES[DAILY], self.at)

    @property
    def ago(self) -> float:
        now: datetime = self._stores.value("SELECT clock_timestamp()")
        return (now - self.at).total_seconds()

    def come(self) -> None:
        """Wait until it is midnight by PostgreSQL's clock."""
        while (left := -self.ago) > 0:
            time.sleep(left)


@pytest.fixture
def server(
    stores: Stores, boards_file: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InProcess]:
    monkeypatch.setattr(pusher, "HEARTBEAT_EVERY", 0.5)
    monkeypatch.setattr(own_scores, "EVERY", 0.1)
    monkeypatch.setattr(past, "TRUSTED", 0.1)
    with in_process(stores, caplog, BOARDS_FILE=boards_file) as server:
        yield server


def test_period_ends_to_the_second_for_sockets_and_get(
    stores: Stores, server: InProcess, dora: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = Midnight(stores, monkeypatch, within=4)
    url = f"http://127.0.0.1:{server.port}/top-scores?board=daily"
    server.call(server.web.boards.check())
    award(stores, dora.user_id, 5)
    with (
        listening(server, dora.token, path="/ws?board=daily&me=1") as websocket,
        listening(server, dora.token, path="/ws?board=daily") as silenced,
    ):
        while (last := receive(websocket, 1)[DAILY]) and shown(last).get(dora.user_id) != 5:
            pass
        assert last["period"] == midnight.before.label
        before = httpx2.get(url)
        assert {row["userId"] for row in before.json()} >= {dora.user_id}
        midnight.come()
        came = now()
        while (new := message(websocket))["type"] != "top_scores_update" or new["period"] == midnight.before.label:
            pass
        assert now() - came < 1
        assert midnight.after is not None
        assert (new["period"], new["payload"]) == (midnight.after.label, [])
        assert new["epoch"] > last["epoch"]
        answer = httpx2.get(url)
        assert (answer.json(), answer.headers["etag"] > before.headers["etag"]) == ([], True)
        assert json.loads(stores.redis.get(top_scores_key(DAILY)) or b"{}")["period"] == new["period"]
        award(stores, dora.user_id, 3, ago=midnight.ago + 1)  # late: onto the period that is over
        while (told := message(websocket))["type"] != "own_scores" or told["period"] != new["period"]:
            pass
        assert (told["score"], told["rank"]) == (0, None)
        beat = next(it for it in iter(lambda: message(websocket), None) if it["type"] != "own_scores")
        assert (beat["type"], beat["period"], beat["version"]) == ("heartbeat", new["period"], new["version"])
        assert httpx2.get(url).json() == []
        of_before = f"{url}&period={midnight.before.label}"
        eventually(
            lambda: {row["userId"]: row["score"] for row in httpx2.get(of_before).json()}.get(dora.user_id) == 8,
            what="the late points on the period that is over",
        )
        assert httpx2.get(f"{url}&period={new['period']}").headers["etag"] == httpx2.get(url).headers["etag"]
        problem(httpx2.get(f"{url}&period=2999-01-01"), 404, "not-found")
        empty = httpx2.get(f"{url}&period=2001-01-01")
        assert (empty.status_code, empty.json()) == (200, [])
        award(stores, dora.user_id, 2)
        assert shown(receive(websocket, 1)[DAILY]) == {dora.user_id: 2}
        heard = [message(silenced)["period"] for _ in range(2)]
        assert heard[0] == midnight.before.label


def test_period_that_ends_while_postgresql_is_away_is_no_answer_any_more(
    stores: Stores, server: InProcess, dora: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = Midnight(stores, monkeypatch, within=1.0)
    url = f"http://127.0.0.1:{server.port}/top-scores"
    server.call(server.web.boards.check())
    assert httpx2.get(f"{url}?board=daily").status_code == 200
    past_day = f"{url}?board=daily&period={midnight.before.label}"

    def away(*_: Any, **__: Any) -> Any:
        raise DatabaseUnavailable("The database can't be reached.")

    with listening(server, dora.token, path="/ws?board=daily") as websocket:
        old = message(websocket)["period"]
        with monkeypatch.context() as patch:
            patch.setattr(live_boards, "publish_all", away)
            midnight.come()
            problem(httpx2.get(f"{url}?board=daily"), 503)
            assert httpx2.get(url).status_code == 200, "other boards are answered from memory"
            kept = httpx2.get(past_day).json()
            patch.setattr(past, "in_statement", away)
            time.sleep(past.TRUSTED)
            assert httpx2.get(past_day).json() == kept
        while (it := message(websocket)).get("period") == old:
            assert it["type"] == "heartbeat"
        assert it["type"] == "top_scores_update"
        assert httpx2.get(f"{url}?board=daily").json() == it["payload"]


def test_period_that_ends_without_redis_and_broadcast_is_followed_by_the_next(
    stores: Stores, server: InProcess, dora: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = Midnight(stores, monkeypatch, within=1.0)
    url = f"http://127.0.0.1:{server.port}/top-scores?board=daily"
    server.call(server.web.boards.check())
    nowhere = connect("redis://127.0.0.1:1/0", timeout=0.2)

    def flag(enabled: bool) -> None:
        name = feature_flags.BROADCAST
        in_transaction(stores.engine, lambda conn: feature_flags.write(conn, name, enabled=enabled, actor="cli"))
        server.call(server.web.boards.check())

    with listening(server, dora.token, path="/ws?board=daily") as websocket:
        old = message(websocket)["period"]
        before = httpx2.get(url).headers["etag"]
        flag(False)
        monkeypatch.setattr(server.web.boards, "_publisher", Publisher.on(nowhere))
        try:
            midnight.come()
            assert httpx2.get(url).headers["etag"] != before, "GET is right at once"
            beat = message(websocket)
            assert (beat["type"], beat["period"]) == ("heartbeat", old)
        finally:
            flag(True)
        while (it := message(websocket))["type"] == "heartbeat":
            pass
        assert it["period"] != old
    nowhere.close()
