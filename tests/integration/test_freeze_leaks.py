"""What a freeze hides: nothing that anybody outside is told changes by what others score, byte by byte."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from app.board import correct, settle
from app.board.publish import publish_all
from app.domain.ids import ActionId, UserId
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support.board import BOARDS, VETTING
from tests.support.done import Done, insert
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.sockets import listening, message

pytestmark = pytest.mark.usefixtures("quiet")

BOARD_IDS = tuple(BOARDS)
WHY = {"reason": "a contest"}
TOLD = ("etag", "last-modified", "board-frozen", "board-revealed", "content-type", "cache-control")


@pytest.fixture(scope="module")
def players(web: Process) -> Iterator[list[Player]]:
    """Some who score before the freeze; the last one does so only afterwards."""
    made = [Player(web.url, unique(name)) for name in ("ann", "ben", "cat", "dan", "eve")]
    yield made
    for player in made:
        player.close()


def score(stores: Stores, player: Player, times: int = 1) -> None:
    """Complete actions, and settle and publish them as a worker does whose rules know of no freeze."""
    ids = [ActionId(player.started()) for _ in range(times)]
    for action_id in ids:
        assert player.end(action_id).status_code == 200
    in_transaction(stores.engine, lambda conn: settle.settle(conn, BOARDS, ids, VETTING))
    publish_all(stores.engine, Publisher.on(stores.redis), BOARDS)


def everything(
    http: httpx2.Client, url: str, players: list[Player], window: str, *, of: tuple[str, ...] = BOARD_IDS, **query: str
) -> dict[str, tuple[Any, ...]]:
    """Ask for all that is told of boards, and give the answers: status, body and what headers tell."""
    ids = [player.user_id for player in players]
    found = {}
    for board in of:
        asked = [
            f"/top-scores?board={board}",
            f"/top-scores?board={board}&asOf={window}",
            f"/top-scores?board={board}&asOf={window}",
            f"/boards/{board}/periods",
            f"/boards/{board}/standings",
            f"/boards/{board}/standings?limit=2",
            f"/boards/{board}/feed",
            f"/boards/{board}/history?to={window}&points=5",
            f"/boards/{board}/history?users={','.join(ids)}&to={window}&points=5",
            f"/boards/{board}/players?name={players[-1].username}",
            f"/boards/{board}/players?name={players[1].username}",
            *(f"/boards/{board}/ranks/{user_id}" for user_id in ids),
            *(f"/boards/{board}/around/{user_id}?limit=3" for user_id in ids),
        ]
        for path in asked:
            found[path] = _told(http.get(f"{url}{path}", params=query or None))
        friends = http.post(f"{url}/boards/{board}/ranks", json={"userIds": ids}, params=query or None)
        found[f"POST /boards/{board}/ranks"] = _told(friends)
    found["/boards"] = _told(http.get(f"{url}/boards"))
    return found


def _told(answer: httpx2.Response) -> tuple[Any, ...]:
    assert answer.status_code == 200, f"{answer.request.url}: {answer.text}"
    return answer.text, {name: answer.headers.get(name) for name in TOLD}


def keys(stores: Stores) -> dict[str, Any]:
    return {it: stores.redis.get(it) for it in ("top_scores:10", *(f"top_scores:10:{it}" for it in BOARD_IDS))}


def test_nothing_that_others_score_is_told_while_boards_are_frozen(
    service: Service, web: Process, stores: Stores, players: list[Player], operator: Player
) -> None:
    alice, *others = players
    for number, player in enumerate(players[:-1], start=1):
        score(stores, player, times=number)
    guest = httpx2.Client(timeout=10)
    items = operator.http.get("/admin/boards").json()["items"]
    assert len(items) == len(BOARD_IDS)
    for it in items:
        answer = operator.http.post(f"/admin/boards/{it['board']}/freeze", json=WHY)
        assert answer.status_code == 200, answer.text

    def is_said(url: str) -> bool:
        asked = [guest.get(f"{url}/top-scores", params={"board": it}) for it in BOARD_IDS]
        return all("board-frozen" in it.headers for it in asked)

    eventually(lambda: is_said(web.url), what="that the boards are frozen")
    window = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    before = everything(guest, web.url, players, window)
    own_before = everything(alice.http, web.url, others, window)
    in_redis = keys(stores)
    with listening(web, alice.token, path="/ws?me=1") as socket:
        first = message(socket)
        assert (first["frozen"], first["version"]) == (True, json.loads(in_redis["top_scores:10"] or b"")["version"])
        own = message(socket)
        assert (own["type"], own["score"], own["rank"]) == ("own_scores", 10, None)
        for player in others:
            score(stores, player, times=6)
        in_transaction(
            stores.engine,
            lambda conn: correct.adjust(conn, BOARDS, UserId(others[0].user_id), 500, actor="shell", reason="a test"),
        )
        # What is reported, or decided, only now may have ended before the freeze.
        began = datetime.fromisoformat(first["frozenSince"])
        late = insert(stores.engine, Done(UserId(others[-1].user_id), began - timedelta(seconds=1), points=300))
        in_transaction(stores.engine, lambda conn: settle.settle(conn, BOARDS, late, VETTING))
        stores.redis.flushall()
        again = service.web()
        eventually(lambda: keys(stores) == in_redis, what="the keys as they were")
        eventually(lambda: is_said(again.url), what="that the boards are frozen")
        for process in (web, again):
            assert everything(guest, process.url, players, window) == before
            assert everything(alice.http, process.url, others, window) == own_before

        later = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        for board in BOARD_IDS:
            stood = guest.get(f"{web.url}/top-scores", params={"board": board, "asOf": later})
            assert stood.text == before[f"/top-scores?board={board}"][0]
            corrected = {"board": board, "asOf": later, "corrected": "true"}
            problem(guest.get(f"{web.url}/top-scores", params=corrected), 409, "board-frozen")

        # The own score goes on, and has no place.
        score(stores, alice, times=2)
        mine = alice.http.get(f"/users/{alice.user_id}").json()
        assert (mine["score"], mine["totalScore"], mine["rank"]) == (30, 30, None)
        for board in BOARD_IDS:
            rank = alice.http.get(f"/boards/{board}/ranks/{alice.user_id}").json()
            assert (rank["score"], rank["rank"], rank["frozen"]) == (30, None, True)
        assert everything(guest, web.url, players, window) == before

        # Whoever may operate sees it all, and that it is frozen.
        for board in BOARD_IDS:
            live = operator.http.get("/top-scores", params={"board": board, "live": "true"})
            assert "board-frozen" in live.headers
            assert "etag" not in live.headers
            assert alice.user_id in {row["userId"] for row in live.json()}
        top = operator.http.get("/boards/all-time/standings", params={"live": "true"}).json()
        assert (top["frozen"], top["items"][0]["userId"]) == (True, others[0].user_id)
        problem(alice.http.get("/top-scores", params={"live": "true"}), 403, "forbidden")
        problem(guest.get(f"{web.url}/top-scores", params={"live": "true"}), 401)
        problem(guest.get(f"{web.url}/top-scores", params={"live": "yes"}), 400)

        for it in items:
            assert operator.http.post(f"/admin/boards/{it['board']}/thaw", json=WHY).status_code == 200
        # Between the freeze and the thaw the socket was sent own scores alone.
        while (following := message(socket))["type"] == "own_scores":
            assert following["rank"] is None
        assert "frozen" not in following
        assert following["payload"][0]["userId"] == others[0].user_id
    eventually(lambda: "board-frozen" not in guest.get(f"{web.url}/top-scores").headers, what="the thawed board")
    assert guest.get(f"{web.url}/boards/all-time/ranks/{alice.user_id}").json()["rank"] == 5
    guest.close()
