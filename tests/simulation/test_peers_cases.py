"""What users of other leaderboards found wrong, replayed on real processes, each case on a board of its own."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.board import settle
from app.domain import board_rules
from app.domain.ids import ActionId
from config.rules import read
from db.transaction import in_transaction
from tests.support import done
from tests.support.board import VETTING
from tests.support.done import Done
from tests.support.keys import add_key, with_key
from tests.support.people import Player, add_user
from tests.support.service import Process, Service, Stores, eventually

TYPES = ("big", "middle", "tied", "paged", "lap", "hidden", "shared", "reset", "rebuilt", "fresh")
BOARDS = """
[boards.all-time]
[boards.big]
types = ["big"]
of = "value"
[boards.lap-sum]
types = ["lap"]
of = "value"
[boards.lap-latest]
types = ["lap"]
of = "value"
by = "latest"
[boards.lap-highest]
types = ["lap"]
of = "value"
by = "best"
[boards.lap-lowest]
types = ["lap"]
of = "value"
by = "best"
order = "lowest"
[boards.reset]
types = ["reset"]
window = "daily"
zone = "Pacific/Auckland"
"""
Files = dict[str, Any]
"""Where the rules are, by the variables that say so."""

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def files(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A board for each type of action, and those of laps; and what players report, unvetted."""
    folder = tmp_path_factory.mktemp("rules")
    simple = "".join(f'[boards.{it}]\ntypes = ["{it}"]\n' for it in TYPES if it not in ("big", "lap", "reset"))
    types = "".join(f"[types.{it}]\npoints = 10\n" for it in ("default", *TYPES))
    written = {"BOARDS_FILE": BOARDS + simple, "SCORING_FILE": types, "FRAUD_FILE": ""}
    for name, text in written.items():
        (folder / name).write_text(text)
    env = {name: str(folder / name) for name in written}
    released = stores.run(sys.executable, "-m", "db.migrate", **env)
    assert released.returncode == 0, released.stderr
    return env


@pytest.fixture(scope="module")
def web(service: Service, files: Files) -> Process:
    return service.web(**files)


@pytest.fixture(scope="module")
def worker(service: Service, files: Files) -> Process:
    return service.worker(**files)


@pytest.fixture
def server(web: Process, stores: Stores) -> Iterator[httpx2.Client]:
    """A game server that reports what players did."""
    with with_key(web, add_key(stores, "actions")) as client:
        yield client


def settled(stores: Stores, files: Files, *reports: Done) -> list[ActionId]:
    """Let actions be completed and settled."""
    rules = board_rules.parse(read(Path(files["BOARDS_FILE"])))
    ids = done.insert(stores.engine, *reports)
    in_transaction(stores.engine, lambda conn: settle.settle(conn, rules, ids, VETTING))
    return ids


def get(web: Process, path: str) -> Any:
    answer = httpx2.get(f"{web.url}{path}", timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def places(items: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return [(it["userId"], it["score"], it["rank"]) for it in items]


def pages(web: Process, path: str, limit: int) -> list[tuple[str, int, int]]:
    """Follow the cursors of a list to its end."""
    page = get(web, f"{path}?limit={limit}")
    listed = places(page["items"])
    while "nextCursor" in page:
        assert len(page["items"]) == limit
        page = get(web, f"{path}?limit={limit}&cursor={page['nextCursor']}")
        listed += places(page["items"])
    return listed


def ladder(stores: Stores, files: Files, type_: str, players: int) -> list[tuple[str, int, int]]:
    """Let players have 10 points, 20 points and so on, and return their places."""
    users = [add_user(stores.engine) for _ in range(players)]
    settled(stores, files, *(Done(it, NOON, type_, 10 * number) for number, it in enumerate(users, start=1)))
    return [(it, 10 * (players - above), above + 1) for above, it in enumerate(reversed(users))]


def test_three_around_the_middle_the_first_and_the_last(web: Process, stores: Stores, files: Files) -> None:
    expected = ladder(stores, files, "middle", 7)
    for rank, first in ((1, 0), (2, 0), (4, 2), (6, 4), (7, 4)):
        user_id = expected[rank - 1][0]
        around = get(web, f"/boards/middle/around/{user_id}?limit=3")
        assert places(around["items"]) == expected[first : first + 3], rank
        place = get(web, f"/boards/middle/ranks/{user_id}")
        assert (place["score"], place["rank"], place["of"]) == (expected[rank - 1][1], rank, 7)
    assert places(get(web, f"/boards/middle/around/{expected[3][0]}?limit=100")["items"]) == expected


def test_101_equal_scores_have_the_same_places_everywhere(web: Process, stores: Stores, files: Files) -> None:
    users = [add_user(stores.engine) for _ in range(101)]
    # All at one moment, but for one who comes earlier and one who comes later.
    late, early = users[0], users[100]
    moved = {late: NOON + timedelta(microseconds=1), early: NOON - timedelta(microseconds=1)}
    settled(stores, files, *(Done(it, moved.get(it, NOON), "tied") for it in users))
    order = [early, *users[1:100], late]  # ids are in the order in which they were made
    expected = [(it, 10, rank) for rank, it in enumerate(order, start=1)]
    assert eventually(lambda: places(get(web, "/top-scores?board=tied")) == expected[:10], what="the first ten")
    assert pages(web, "/boards/tied/standings", 10) == expected
    assert pages(web, "/boards/tied/standings", 100) == expected
    for rank in (1, 2, 50, 100, 101):
        assert get(web, f"/boards/tied/ranks/{order[rank - 1]}")["rank"] == rank
    assert places(get(web, f"/boards/tied/around/{order[49]}?limit=5")["items"]) == expected[47:52]
    answer = httpx2.post(f"{web.url}/boards/tied/ranks", json={"userIds": order[:100]})
    assert places(answer.json()["items"]) == expected[:100]


def test_page_past_the_end_is_empty(web: Process, stores: Stores, files: Files) -> None:
    expected = ladder(stores, files, "paged", 3)
    page = get(web, "/boards/paged/standings?limit=2")
    assert places(page["items"]) == expected[:2]
    path = f"/boards/paged/standings?limit=2&cursor={page['nextCursor']}"
    assert (places(get(web, path)["items"]), "nextCursor" in get(web, path)) == (expected[2:], False)
    assert "nextCursor" not in get(web, "/boards/paged/standings?limit=3")
    hidden = stores.run(sys.executable, "-m", "app.cli", "hide", name_of(stores, expected[2][0]), **files)
    assert hidden.returncode == 0, hidden.stderr
    assert get(web, path) == {"items": []}


def name_of(stores: Stores, user_id: str) -> str:
    return str(stores.value("SELECT username FROM users WHERE id = :id", id=user_id))


def test_scores_beyond_32_bits_are_exact_up_to_53(web: Process, stores: Stores, files: Files) -> None:
    users = [add_user(stores.engine) for _ in range(4)]
    values = [2**53 - 1, 2**53 - 2, 2**31, -(2**53 - 1)]
    settled(stores, files, *(Done(it, NOON, "big", 0, value) for it, value in zip(users, values, strict=True)))
    expected = [(it, value, rank) for rank, (it, value) in enumerate(zip(users, values, strict=True), start=1)]
    answer = httpx2.get(f"{web.url}/boards/big/standings")
    assert '"score":9007199254740991,' in answer.text
    assert places(answer.json()["items"]) == expected
    assert get(web, f"/boards/big/ranks/{users[1]}")["score"] == 9_007_199_254_740_990
    assert eventually(lambda: places(get(web, "/top-scores?board=big")) == expected, what="the first ten")
    # Sums of such values are exact, too; tests/integration/test_exact_scores.py has what they can't hold.
    settled(stores, files, Done(users[3], NOON, "big", 0, -1 + 2**53), Done(users[2], NOON, "big", 0, 1))
    assert [score for _, score, _ in places(get(web, "/boards/big/standings")["items"])] == [*values[:2], 2**31 + 1, 0]


def test_best_sum_latest_and_lowest_of_the_same_laps(web: Process, stores: Stores, files: Files) -> None:
    alice, bob = add_user(stores.engine), add_user(stores.engine)
    laps = [(alice, 5), (alice, 3), (alice, 9), (alice, 4), (bob, 0), (bob, 9)]
    ids = settled(
        stores,
        files,
        *(Done(it, NOON + timedelta(minutes=minute), "lap", 0, value) for minute, (it, value) in enumerate(laps)),
    )

    def boards() -> dict[str, list[tuple[str, int]]]:
        kinds = ("sum", "latest", "highest", "lowest")
        return {it: [place[:2] for place in places(get(web, f"/boards/lap-{it}/standings")["items"])] for it in kinds}

    assert boards() == {
        "sum": [(alice, 21), (bob, 9)],
        "latest": [(bob, 9), (alice, 4)],
        "highest": [(alice, 9), (bob, 9)],  # alice had it first
        "lowest": [(bob, 0), (alice, 3)],  # 0 is a value
    }
    for number in (2, 3):  # her best one, and her latest one
        gone = stores.run(sys.executable, "-m", "app.cli", "reverse", ids[number], "--reason", "a test", **files)
        assert gone.returncode == 0, gone.stderr
    assert boards() == {
        "sum": [(bob, 9), (alice, 8)],
        "latest": [(bob, 9), (alice, 3)],
        "highest": [(bob, 9), (alice, 5)],
        "lowest": [(bob, 0), (alice, 3)],
    }


def test_hidden_and_suspended_users_take_no_place(web: Process, stores: Stores, files: Files) -> None:
    ladder_ = ladder(stores, files, "hidden", 5)
    first, second, third, fourth, fifth = (it for it, _, _ in ladder_)
    for command, user_id in (("hide", second), ("suspend", fourth)):
        ran = stores.run(
            sys.executable, "-m", "app.cli", command, name_of(stores, user_id), "--reason", "a test", **files
        )
        assert ran.returncode == 0, ran.stderr
    expected = [(first, 50, 1), (third, 30, 2), (fifth, 10, 3)]
    assert pages(web, "/boards/hidden/standings", 2) == expected
    assert places(get(web, f"/boards/hidden/around/{third}?limit=3")["items"]) == expected
    assert [get(web, f"/boards/hidden/ranks/{it}")["rank"] for it in (first, second, third, fourth, fifth)] == [
        *(1, None, 2, None, 3)
    ]
    assert eventually(lambda: places(get(web, "/top-scores?board=hidden")) == expected, what="the first ten")


def test_concurrent_increments_are_all_counted(
    web: Process, worker: Process, stores: Stores, server: httpx2.Client
) -> None:
    users = [add_user(stores.engine) for _ in range(2)]

    def report(number: int) -> int:
        path = f"/users/{users[number % 2]}/actions"
        return server.post(path, json={"status": "completed", "type": "shared"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(report, range(80))) == {201}

    def scores() -> list[int]:
        return [score for _, score, _ in places(get(web, "/boards/shared/standings")["items"])]

    assert eventually(lambda: scores() == [400, 400], what="all of them")


def test_day_begins_in_the_zone_of_its_board(web: Process, stores: Stores, files: Files) -> None:
    """A day of 25 hours in Auckland, where it is tomorrow at noon UTC, or an hour earlier in summer."""
    user_id = add_user(stores.engine)
    midnights = ["2026-04-04T11:00:00+00:00", "2026-04-05T12:00:00+00:00"]
    for moment, points in zip(map(datetime.fromisoformat, midnights), (1, 10), strict=True):
        settled(
            stores,
            files,
            Done(user_id, moment - timedelta(microseconds=1), "reset", points),
            Done(user_id, moment, "reset", points * 2),
        )
    scores = {
        label: get(web, f"/boards/reset/ranks/{user_id}?period={label}")["score"]
        for label in ("2026-04-04", "2026-04-05", "2026-04-06")
    }
    assert scores == {"2026-04-04": 1, "2026-04-05": 2 + 10, "2026-04-06": 20}
    periods = {it["period"]: it for it in get(web, "/boards/reset/periods")["items"]}
    day = periods["2026-04-05"]
    assert (day["startsAt"], day["endsAt"], day["final"]) == ("2026-04-04T11:00:00Z", "2026-04-05T12:00:00Z", True)


def test_rebuild_equals_what_was_added_bit_by_bit(web: Process, stores: Stores, files: Files) -> None:
    users = [add_user(stores.engine) for _ in range(12)]
    for number in range(40):
        settled(stores, files, Done(users[number * 7 % 12], NOON + timedelta(days=number), "rebuilt", 1 + number % 5))
    before = pages(web, "/boards/rebuilt/standings", 100)
    ran = stores.run(sys.executable, "-m", "app.cli", "rebuild", "--board", "rebuilt", **files)
    assert (ran.returncode, ran.stdout) == (0, "0 standings changed; the board did not change.\n")
    assert pages(web, "/boards/rebuilt/standings", 100) == before
    stores.execute("DELETE FROM standings WHERE board_id = 'rebuilt'")
    ran = stores.run(sys.executable, "-m", "app.cli", "rebuild", "--board", "rebuilt", **files)
    assert ran.returncode == 0, ran.stderr
    assert pages(web, "/boards/rebuilt/standings", 100) == before


def test_new_score_is_read_once_it_counts_and_never_the_old_one(
    web: Process, worker: Process, stores: Stores, server: httpx2.Client, alice: Player
) -> None:
    path = f"/users/{alice.user_id}/actions"
    for times in range(1, 6):
        action_id = server.post(path, json={"status": "completed", "type": "fresh"}).json()["actionId"]
        eventually(lambda it=action_id: alice.settlement(it) == "cleared", what="that it counts")  # type: ignore[misc]
        place = get(web, f"/boards/fresh/ranks/{alice.user_id}")
        assert (place["score"], place["rank"]) == (10 * times, 1)
        assert places(get(web, "/boards/fresh/standings")["items"]) == [(alice.user_id, 10 * times, 1)]
