"""Boards as they stood, scores over time and the feed, as clients meet them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.support.people import Player
from tests.support.service import NOBODY, Process, Service, Stores, eventually, problem

BOARDS = """
[boards.all-time]
[boards.weekly]
window = "weekly"
[boards.spring]
from = 2020-03-01
to = 2020-06-01
"""


@pytest.fixture(scope="module")
def boards_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("rules") / "boards.toml"
    path.write_text(BOARDS)
    return str(path)


@pytest.fixture(scope="module")
def web(service: Service, boards_file: str) -> Process:
    return service.web(BOARDS_FILE=boards_file)


@pytest.fixture(scope="module", autouse=True)
def worker(service: Service, boards_file: str) -> Process:
    return service.worker(BOARDS_FILE=boards_file)


@pytest.fixture(autouse=True)
def empty(stores: Stores, web: Process) -> Iterator[None]:
    """Leave no scores of one test to the next."""
    yield
    stores.execute("UPDATE users SET hidden = true WHERE username NOT LIKE 'operator%'")


def moment(stores: Stores) -> str:
    """Return the database's time."""
    return str(
        stores.value("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    )


def scored(player: Player, points: int, times: int = 1) -> str:
    """Score, wait until the board shows these points, and return the last action."""
    player.score(times)

    def shows() -> bool:
        rows = player.http.get("/boards/all-time/history", params={"users": player.user_id}).json()["items"]
        return bool(rows and rows[0]["points"][-1]["score"] == points)

    eventually(shows, what=f"{points} points")
    actions = player.http.get(f"/users/{player.user_id}/actions").json()["items"]
    return str(actions[0]["actionId"])


def as_of(player: Player, at: str, **more: str) -> list[dict[str, Any]]:
    answer = player.http.get("/top-scores", params={"asOf": at, **more})
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def test_board_as_of_a_moment_and_what_is_known_of_it_now(
    stores: Stores, alice: Player, bob: Player, operator: Player
) -> None:
    before = moment(stores)
    action_id = scored(alice, 10)
    first = moment(stores)
    scored(bob, 20, times=2)
    both = moment(stores)
    row_of_alice = {"userId": alice.user_id, "username": alice.username, "score": 10, "rank": 1}
    row_of_bob = {"userId": bob.user_id, "username": bob.username, "score": 20, "rank": 1}
    plain = alice.http.get("/top-scores", params={"corrected": "false"})  # as a client sends that has defaults
    assert plain.json() == alice.http.get("/top-scores").json()
    for board in ("all-time", "weekly"):
        assert as_of(alice, before, board=board) == []
        assert as_of(alice, first, board=board) == [row_of_alice]
        assert as_of(alice, both, board=board) == [row_of_bob, {**row_of_alice, "rank": 2}]
        assert as_of(alice, first, board=board, corrected="true") == [row_of_alice]

    assert operator.http.post(f"/admin/actions/{action_id}/reverse", json={"reason": "a test"}).status_code == 200
    assert as_of(alice, both) == [row_of_bob, {**row_of_alice, "rank": 2}]
    assert as_of(alice, both, corrected="true") == [row_of_bob]
    assert as_of(alice, first) == [row_of_alice]
    assert as_of(alice, first, corrected="true") == []
    assert as_of(alice, moment(stores)) == [row_of_bob]

    answer = alice.http.get("/top-scores", params={"asOf": both})
    assert answer.headers["last-modified"].endswith("GMT")
    again = {"if-none-match": answer.headers["etag"]}
    assert alice.http.get("/top-scores", params={"asOf": both}, headers=again).status_code == 304
    assert alice.http.get("/top-scores", params={"asOf": first}, headers=again).status_code == 200
    # The plus sign of an offset need not be encoded.
    assert alice.http.get(f"/top-scores?asOf={both.replace('Z', '+00:00')}").json() == answer.json()
    assert as_of(alice, "2020-04-01T00:00:00Z", board="spring") == []


def test_names_of_erased_and_hidden_players_are_in_no_record(
    stores: Stores, alice: Player, bob: Player, operator: Player
) -> None:
    scored(alice, 20, times=2)
    scored(bob, 10)
    then = moment(stores)
    operator.http.post(f"/admin/users/{alice.user_id}/erase", json={"reason": "a test"})
    row_of_bob = {"userId": bob.user_id, "username": bob.username, "score": 10, "rank": 2}
    assert as_of(bob, then) == [row_of_bob]  # on the place that bob had then
    assert as_of(bob, then, corrected="true") == [{**row_of_bob, "rank": 1}]
    for path in ("history", "feed"):
        found = bob.http.get(f"/boards/all-time/{path}", params={"users": alice.user_id} if path == "history" else {})
        assert alice.user_id not in found.text
        assert alice.username not in found.text


def test_history_is_of_the_ten_or_of_who_is_named(stores: Stores, alice: Player, bob: Player) -> None:
    since = moment(stores)
    scored(alice, 20, times=2)
    scored(bob, 10)
    answer = alice.http.get("/boards/all-time/history", params={"from": since, "points": 2})
    until = moment(stores)
    body = answer.json()
    assert body["from"] == since.rstrip("Z").rstrip("0").rstrip(".") + "Z" or body["from"] == since
    assert since < body["to"] < until
    assert body["items"] == [
        {
            "userId": player.user_id,
            "username": player.username,
            "points": [{"at": body["from"], "score": 0}, {"at": body["to"], "score": score}],
        }
        for player, score in ((alice, 20), (bob, 10))
    ]
    assert set(body) == {"from", "to", "items"}

    # Between the two of alice's ends it is the first of them alone.
    first, second = sorted(
        row[0] for row in stores.rows("SELECT end_at FROM actions WHERE user_id = :id", id=alice.user_id)
    )
    ends = {"from": (first - timedelta(seconds=1)).isoformat(), "to": second.isoformat(), "points": "3"}
    named = alice.http.get(
        "/boards/weekly/history", params={"users": f"{bob.user_id},{alice.user_id},{NOBODY}", **ends}
    )
    assert [item["userId"] for item in named.json()["items"]] == [bob.user_id, alice.user_id]
    scores = [point["score"] for point in named.json()["items"][1]["points"]]
    middle = first - timedelta(seconds=1) + (second - first + timedelta(seconds=1)) / 2
    assert scores == [0, 10 if first <= middle else 0, 20]

    usual = alice.http.get("/boards/all-time/history").json()
    assert len(usual["items"][0]["points"]) == 100
    lasts = datetime.fromisoformat(usual["to"]) - datetime.fromisoformat(usual["from"])
    assert lasts == timedelta(days=1)
    week = alice.http.get("/boards/weekly/history").json()
    assert datetime.fromisoformat(week["from"]).isocalendar()[2] == 1
    past = alice.http.get("/boards/weekly/history", params={"period": "2020-W10", "users": alice.user_id}).json()
    assert (past["from"], past["to"]) == ("2020-03-02T00:00:00Z", "2020-03-09T00:00:00Z")
    assert {point["score"] for point in past["items"][0]["points"]} == {0}
    assert alice.http.get("/boards/spring/history").json()["items"] == []


def test_feed_tells_what_counts_page_by_page(stores: Stores, alice: Player, bob: Player, operator: Player) -> None:
    of_alice = scored(alice, 10)
    of_bob = scored(bob, 10)
    held = scored(bob, 20)
    operator.http.post(f"/admin/actions/{held}/reverse", json={"reason": "a test"})
    operator.http.post(f"/admin/users/{alice.user_id}/adjust", json={"points": 5, "reason": "a test"})

    def page(**query: str) -> dict[str, Any]:
        answer = alice.http.get("/boards/weekly/feed", params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    first = page(limit="1")
    (end_at,) = stores.rows("SELECT end_at FROM actions WHERE id = :id", id=of_bob)[0]
    (item,) = first["items"]
    assert datetime.fromisoformat(item.pop("at")) == end_at
    assert item == {
        "actionId": of_bob,
        "userId": bob.user_id,
        "username": bob.username,
        "type": "default",
        "points": 10,
    }
    second = page(limit="1", cursor=first["nextCursor"])
    assert [it["actionId"] for it in second["items"]] == [of_alice]
    whole = page()
    assert [it["actionId"] for it in whole["items"]] == [of_bob, of_alice]
    assert set(whole) == {"items"}
    assert page(period="2020-W10") == {"items": []}
    answer = alice.http.get("/boards/weekly/feed")
    unchanged = alice.http.get("/boards/weekly/feed", headers={"if-none-match": answer.headers["etag"]})
    assert unchanged.status_code == 304


def test_nothing_of_the_past_leaks_from_a_frozen_board(
    stores: Stores, alice: Player, bob: Player, operator: Player
) -> None:
    scored(alice, 10)
    assert operator.http.post("/admin/boards/all-time/freeze", json={"reason": "a test"}).status_code == 200
    try:
        since = moment(stores)
        bob.score(2)
        alice.score()

        def live() -> bool:
            found = operator.http.get(
                "/top-scores", params={"asOf": moment(stores), "corrected": "true", "live": "true"}
            )
            return [row["score"] for row in found.json()] == [20, 20]

        eventually(live, what="that both have settled")
        assert [(row["userId"], row["score"]) for row in as_of(bob, moment(stores))] == [(alice.user_id, 10)]
        problem(bob.http.get("/top-scores", params={"asOf": since, "corrected": "true"}), 409, "board-frozen")
        feed = bob.http.get("/boards/all-time/feed").json()
        assert (feed["frozen"], [it["userId"] for it in feed["items"]]) == (True, [alice.user_id])
        users = {"users": f"{alice.user_id},{bob.user_id}"}
        history = bob.http.get("/boards/all-time/history", params=users).json()
        assert history["frozen"] is True
        assert history["to"] < since
        assert [(it["userId"], it["points"][-1]["score"]) for it in history["items"]] == [(alice.user_id, 10)]
        # Operators who ask for it see what there is.
        history = operator.http.get("/boards/all-time/history", params={**users, "live": "true"}).json()
        assert history["frozen"] is True
        assert [it["points"][-1]["score"] for it in history["items"]] == [20, 20]
        assert len(operator.http.get("/boards/all-time/feed?live=true").json()["items"]) == 4
        problem(bob.http.get("/boards/all-time/feed?live=true"), 403)
    finally:
        operator.http.post("/admin/boards/all-time/thaw", json={"reason": "a test"})
    assert len(bob.http.get("/boards/all-time/feed").json()["items"]) == 4


@pytest.mark.parametrize(
    ("path", "status", "code", "told"),
    [
        ("/top-scores?asOf=yesterday", 422, "wrong-time", "asOf: "),
        ("/top-scores?asOf=2026-01-01T00:00:00", 422, "wrong-time", "asOf: "),
        ("/top-scores?asOf=0001-01-01T00:00:00%2B10:00", 422, "wrong-time", "asOf: "),
        ("/top-scores?asOf=9999-01-01T00:00:00Z", 422, "wrong-time", "asOf: lies ahead"),
        ("/top-scores?corrected=true", 422, "wrong-time", "asOf: "),
        ("/top-scores?asOf=2026-01-01T00:00:00Z&corrected=yes", 400, "malformed-request", "corrected: "),
        ("/top-scores?asOf=2026-01-01T00:00:00Z&board=none", 404, "not-found", ""),
        ("/top-scores?asOf=2026-01-01T00:00:00Z&board=weekly&period=2026", 404, "not-found", ""),
        ("/boards/none/history", 404, "not-found", ""),
        ("/boards/weekly/history?period=2999-W01", 404, "not-found", ""),
        ("/boards/all-time/history?from=now", 422, "wrong-time", "from: "),
        ("/boards/all-time/history?to=now", 422, "wrong-time", "to: "),
        ("/boards/all-time/history?from=2999-01-01T00:00:00Z", 422, "wrong-time", "from: "),
        ("/boards/spring/history?to=2020-01-01T00:00:00Z", 422, "wrong-time", "to: "),
        ("/boards/all-time/history?points=1", 400, "malformed-request", "points: "),
        ("/boards/all-time/history?points=501", 400, "malformed-request", "points: "),
        ("/boards/all-time/history?users=alice", 400, "malformed-request", "users: "),
        (
            f"/boards/all-time/history?users={','.join(NOBODY[:-2] + f'{n:02}' for n in range(11))}",
            400,
            None,
            "users: ",
        ),
        ("/boards/none/feed", 404, "not-found", ""),
        ("/boards/all-time/feed?limit=101", 400, "malformed-request", "limit: "),
        ("/boards/all-time/feed?cursor=1", 400, "malformed-request", "cursor: "),
        ("/boards/all-time/feed?cursor=99999999999999999-" + NOBODY, 200, None, ""),
    ],
)
def test_what_makes_no_sense_is_told_by_its_name(
    web: Process, path: str, status: int, code: str | None, told: str
) -> None:
    answer = httpx2.get(web.url + path)
    if status == 200:
        assert answer.status_code == 200
    else:
        assert problem(answer, status, code)["detail"].startswith(told)


def test_reading_the_past_needs_what_reading_the_board_needs(web: Process) -> None:
    now = datetime.now(UTC) - timedelta(minutes=1)
    for path in (f"/top-scores?asOf={now:%Y-%m-%dT%H:%M:%SZ}", "/boards/all-time/history", "/boards/all-time/feed"):
        assert httpx2.get(web.url + path).status_code == 200
        problem(httpx2.get(web.url + path, headers={"authorization": "Bearer x.y.z"}), 401)
