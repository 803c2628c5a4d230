"""Places over HTTP: of one user, of many, around a user and page by page, all of one order. Contract, 4, Ranks."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.board import erase
from app.board import ranks as tending
from app.domain import board_rules
from app.domain.board_rules import BoardRules
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId, new_id
from app.domain.periods import only
from app.ranks import Asked, run_ranks
from app.routes.which_board import Which
from config import rules as rule_files
from db import boards, rank_blocks
from db.transaction import in_transaction
from tests.support.people import Listener, add_user, listener
from tests.support.service import Process, Service, Stores

LAPS = BoardId("laps")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SQL = """
    INSERT INTO standings (board_id, user_id, score, reached_at, lowest, valued, combine)
    VALUES (:board, :user, :score, :at, :laps, :laps, CASE WHEN :laps THEN 'best' ELSE 'sum' END)
    ON CONFLICT (board_id, user_id) DO UPDATE SET score = excluded.score, reached_at = excluded.reached_at
"""


@pytest.fixture(scope="module")
def boards_file(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("rules") / "boards.toml"
    path.write_text("""
        [boards.all-time]
        top = 5
        [boards.laps]
        of = "value"
        by = "best"
        order = "lowest"
        [boards.weekly]
        window = "weekly"
    """)
    released = stores.run(sys.executable, "-m", "db.migrate", BOARDS_FILE=str(path))
    assert released.returncode == 0, released.stderr
    return str(path)


@pytest.fixture(scope="module")
def web(service: Service, boards_file: str) -> Process:
    return service.web(BOARDS_FILE=boards_file)


@pytest.fixture
def rules(boards_file: str, engine: sa.Engine) -> BoardRules:
    """The rules, beside a database in which each board without periods has its row."""
    found = board_rules.parse(rule_files.read(Path(boards_file)))
    with engine.begin() as conn:
        boards.ensure(conn, [only(rule) for rule in found.values() if not rule.periodic])
    return found


def place(stores: Stores, user_id: UserId, score: int, *, board: str = DEFAULT_BOARD, seconds: int = 0) -> None:
    """Give a user a score that was reached so many seconds after the others began."""
    at = BEGAN + timedelta(seconds=seconds)
    stores.execute(SQL, board=board, user=user_id, score=score, at=at, laps=board == LAPS)


@pytest.fixture
def crowd(stores: Stores, rules: BoardRules) -> list[UserId]:
    """Twenty-three players in the order of their places: some level in points, some in both points and time."""
    players = sorted(add_user(stores.engine) for _ in range(23))
    for number, player in enumerate(players):
        place(stores, player, 100 - number // 3, seconds=number // 2)
    return players


def get(web: Process, path: str, **query: Any) -> Any:
    answer = httpx2.get(f"{web.url}/boards/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def status(web: Process, path: str, token: str | None = None, **query: Any) -> tuple[int, str]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = httpx2.get(f"{web.url}/boards/{path}", params=query, headers=headers)
    return answer.status_code, answer.json().get("code", "")


def find(web: Process, board: str, users: Iterable[str], **query: Any) -> list[Any]:
    answer = httpx2.post(f"{web.url}/boards/{board}/ranks", json={"userIds": list(users)}, params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def pages(web: Process, board: str, limit: int, **query: Any) -> list[Any]:
    """Read a board to its end."""
    rows: list[Any] = []
    page = get(web, f"{board}/standings", limit=limit, **query)
    while True:
        assert 0 < len(page["items"]) <= limit
        rows += page["items"]
        if "nextCursor" not in page:
            return rows
        page = get(web, f"{board}/standings", limit=limit, cursor=page["nextCursor"], **query)


def test_every_way_to_ask_has_the_same_order(web: Process, stores: Stores, crowd: list[UserId]) -> None:
    hidden, suspended, idle = (add_user(stores.engine) for _ in range(3))
    place(stores, hidden, 1000)
    place(stores, suspended, 1000)
    stores.execute("UPDATE users SET hidden = true WHERE id = :id", id=hidden)
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=suspended)
    stores.execute("UPDATE users SET display_name = 'Ada' WHERE id = :id", id=crowd[4])
    rows = pages(web, "all-time", 7)
    assert [row["userId"] for row in rows] == crowd
    assert [row["rank"] for row in rows] == list(range(1, 24))
    assert rows == pages(web, "all-time", 23) == pages(web, "all-time", 22)
    assert list(rows[4]) == ["userId", "username", "score", "rank", "displayName"]

    ones = [get(web, f"all-time/ranks/{player}") for player in crowd]
    assert [(it["userId"], it["score"], it["rank"]) for it in ones] == [
        (row["userId"], row["score"], row["rank"]) for row in rows
    ]
    assert list(ones[4]) == ["userId", "username", "displayName", "score", "rank", "of", "percentile"]
    assert "displayName" not in ones[0]
    assert {it["of"] for it in ones} == {23}
    assert [ones[number]["percentile"] for number in (0, 1, 11, 22)] == [100, 95.65, 52.17, 4.34]
    nobody = new_id()
    asked = [idle, *reversed(crowd), suspended, hidden, nobody, "no id", crowd[0]]
    several = find(web, "all-time", asked)
    assert several[:23] == ones
    assert {it["userId"] for it in several[23:]} == {idle, suspended, hidden}
    assert {(it["rank"], it["percentile"], it["of"]) for it in several[23:]} == {(None, None, 23)}
    assert get(web, f"all-time/ranks/{idle}")["score"] == 0
    # Right after Redis has lost everything, too: nothing of it is needed.
    stores.redis.flushall()
    assert find(web, "all-time", crowd) == ones


def test_around_has_as_many_as_asked_also_at_both_ends(web: Process, stores: Stores, crowd: list[UserId]) -> None:
    for limit in (1, 2, 5, 22, 23, 24, 100):
        for mine in (0, 1, 2, 11, 20, 21, 22):
            found = get(web, f"all-time/around/{crowd[mine]}", limit=limit)["items"]
            first = max(0, min(mine - limit // 2, 23 - limit))
            assert [it["userId"] for it in found] == crowd[first : first + limit], (limit, mine)
            assert [it["rank"] for it in found] == list(range(first + 1, first + 1 + len(found)))
    assert len(get(web, f"all-time/around/{crowd[0]}")["items"]) == 11
    assert get(web, f"all-time/around/{add_user(stores.engine)}") == {"items": []}


def test_pages_hold_while_scores_move(web: Process, stores: Stores, crowd: list[UserId]) -> None:
    first = get(web, "all-time/standings", limit=8)
    place(stores, crowd[9], 1000)  # passes those who were listed: it is not lost by more than itself
    place(stores, crowd[2], 1)  # was listed, and is so once more where it stands now
    stores.execute("DELETE FROM standings WHERE user_id = :id", id=crowd[7])  # the very last of the page
    rest = []
    cursor = first["nextCursor"]
    while cursor:
        page = get(web, "all-time/standings", limit=8, cursor=cursor)
        rest += page["items"]
        cursor = page.get("nextCursor")
    assert [it["userId"] for it in rest] == [crowd[8], *crowd[10:], crowd[2]]
    # The first of them now has these before: those who were listed less the two who left, and who has passed them.
    assert [it["rank"] for it in rest] == list(range(8, 23))
    for player in crowd:
        stores.execute("DELETE FROM standings WHERE user_id = :id", id=player)
    assert get(web, "all-time/standings", cursor=first["nextCursor"]) == {"items": []}
    assert get(web, "all-time/standings") == {"items": []}


def test_what_is_not_there_or_malformed_is_told(web: Process, stores: Stores, crowd: list[UserId]) -> None:
    gone = add_user(stores.engine)
    in_transaction(stores.engine, lambda conn: erase.erase(conn, {}, gone, actor="carl", reason=None))
    for user_id in (gone, new_id(), "me", "no-id"):
        for what in ("ranks", "around"):
            assert status(web, f"all-time/{what}/{user_id}") == (404, "not-found")
    assert find(web, "all-time", [gone]) == []
    for path in ("standings", f"ranks/{crowd[0]}", f"around/{crowd[0]}"):
        assert status(web, f"none/{path}") == (404, "not-found")
        assert status(web, f"all-time/{path}", period="2026-W01") == (404, "not-found")
        assert status(web, f"weekly/{path}", period="2999-W01") == (404, "not-found")
        assert status(web, f"all-time/{path}", token="nonsense") == (401, "unauthorized")
    for path in ("standings", f"around/{crowd[0]}"):
        for limit in ("0", "101", "x", ""):
            assert status(web, f"all-time/{path}", limit=limit) == (400, "malformed-request")
    cursor = get(web, "all-time/standings", limit=2)["nextCursor"]
    for wrong in ("", "x", "!", "WzFd", "W10", cursor[:-3], cursor + "A" * 400, "bnVsbA", "é"):
        assert status(web, "all-time/standings", cursor=wrong) == (400, "malformed-request"), wrong
    assert status(web, "laps/standings", cursor=cursor) == (422, "wrong-cursor")
    for body in ({}, {"userIds": [new_id()] * 101}, {"userIds": "x"}, {"userIds": [1]}, {"userIds": [], "x": 1}):
        assert httpx2.post(f"{web.url}/boards/all-time/ranks", json=body).status_code == 400
    assert find(web, "all-time", []) == []


def test_lowest_wins_and_periods_are_boards_of_their_own(web: Process, stores: Stores, crowd: list[UserId]) -> None:
    for number, player in enumerate(crowd[:4]):
        place(stores, player, 2**53 - 1 - number, board=LAPS)
    zero = crowd[4]
    place(stores, zero, 0, board=LAPS)
    assert [(it["userId"], it["score"]) for it in pages(web, "laps", 2)] == [
        (zero, 0),
        *((crowd[number], 2**53 - 1 - number) for number in (3, 2, 1, 0)),
    ]
    assert [it["userId"] for it in get(web, f"laps/around/{crowd[0]}", limit=2)["items"]] == [crowd[1], crowd[0]]
    nothing = get(web, f"laps/ranks/{crowd[9]}")
    assert (nothing["score"], nothing["rank"], nothing["of"]) == (None, None, 5)

    label = stores.value("SELECT to_char(now() AT TIME ZONE 'UTC', 'IYYY-\"W\"IW')")
    empty = get(web, f"weekly/ranks/{crowd[0]}")
    assert (empty["score"], empty["rank"], empty["of"], empty["percentile"]) == (0, None, 0, None)
    for period, players in ((f"weekly:{label}", crowd[:3]), ("weekly:2026-W02", crowd[3:5])):
        stores.execute(
            "INSERT INTO boards (id, epoch) VALUES (:id, :epoch) ON CONFLICT DO NOTHING", id=period, epoch=new_id()
        )
        for player in players:
            place(stores, player, 5, board=period)
    assert [it["userId"] for it in pages(web, "weekly", 2)] == crowd[:3]
    assert [it["userId"] for it in pages(web, "weekly", 2, period=label)] == crowd[:3]
    assert [it["userId"] for it in pages(web, "weekly", 1, period="2026-W02")] == crowd[3:5]
    assert get(web, f"weekly/ranks/{crowd[4]}", period="2026-W02")["rank"] == 2
    cursor = get(web, "weekly/standings", limit=1, period="2026-W02")["nextCursor"]
    # It goes on in its period, whichever is the present one by then.
    assert [it["userId"] for it in get(web, "weekly/standings", cursor=cursor)["items"]] == [crowd[4]]
    assert status(web, "weekly/standings", cursor=cursor, period=label) == (422, "wrong-cursor")


@pytest.fixture
def frozen(stores: Stores, crowd: list[UserId]) -> list[UserId]:
    """The five who were first when the board froze; the last one leads by now."""
    for rank, player in enumerate(crowd[:5], start=1):
        stores.execute(
            "INSERT INTO top_scores (board_id, rank, user_id, username, score) "
            "SELECT 'all-time', :rank, id, username, 90 FROM users WHERE id = :id",
            rank=rank,
            id=player,
        )
    stores.execute("UPDATE boards SET frozen_from = now() WHERE id = 'all-time'")
    place(stores, crowd[-1], 1000)
    return crowd[:5]


def test_frozen_board_says_nothing_of_what_followed(
    web: Process, stores: Stores, frozen: list[UserId], crowd: list[UserId]
) -> None:
    page = get(web, "all-time/standings", limit=3)
    assert page["frozen"] is True
    assert [(it["userId"], it["score"], it["rank"]) for it in page["items"]] == [
        (player, 90, rank) for rank, player in enumerate(frozen[:3], start=1)
    ]
    page = get(web, "all-time/standings", limit=3, cursor=page["nextCursor"])
    assert [it["userId"] for it in page["items"]] == frozen[3:]
    assert set(page) == {"items", "frozen"}
    near = get(web, f"all-time/around/{frozen[4]}", limit=2)
    assert [it["userId"] for it in near["items"]] == frozen[3:]
    assert get(web, f"all-time/around/{crowd[-1]}") == {"items": [], "frozen": True}
    unknown = {"score": None, "rank": None, "of": None, "percentile": None, "frozen": True}
    assert get(web, f"all-time/ranks/{crowd[-1]}").items() >= unknown.items()
    shown = {**unknown, "score": 90, "rank": 2}
    assert get(web, f"all-time/ranks/{frozen[1]}").items() >= shown.items()
    assert [it["rank"] for it in find(web, "all-time", [crowd[-1], *frozen])] == [1, 2, 3, 4, 5, None]
    assert status(web, "all-time/standings", live="true") == (401, "unauthorized")


def test_frozen_board_tells_players_their_own_scores_and_admins_all(
    web: Process, stores: Stores, frozen: list[UserId], crowd: list[UserId]
) -> None:
    alice, admin = listener(stores, "alice"), listener(stores, "admin")
    place(stores, alice.user_id, 777)
    stores.execute("UPDATE users SET role = 'admin' WHERE id = :id", id=admin.user_id)

    def ask(who: Listener, path: str) -> Any:
        answer = httpx2.get(f"{web.url}{path}", headers={"authorization": f"Bearer {who.token}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    mine = ask(alice, "/boards/all-time/ranks/me")
    assert (mine["score"], mine["rank"], mine["of"], mine["percentile"]) == (777, None, None, None)
    assert ask(alice, f"/users/{alice.user_id}")["rank"] is None
    live = ask(admin, f"/boards/all-time/ranks/{alice.user_id}?live=true")
    assert (live["score"], live["rank"], live["of"], live["frozen"]) == (777, 2, 24, True)
    page = ask(admin, "/boards/all-time/standings?live=true&limit=2")
    assert [it["userId"] for it in page["items"]] == [crowd[-1], alice.user_id]
    assert page["frozen"] is True
    held = get(web, "all-time/standings", limit=2)["nextCursor"]
    stores.execute("UPDATE boards SET frozen_from = NULL, says_frozen = false WHERE id = 'all-time'")
    assert status(web, "all-time/standings", cursor=held) == (422, "wrong-cursor")
    assert ask(alice, f"/users/{alice.user_id}")["rank"] == 2


def test_place_that_is_not_counted_is_a_503_and_no_other_number(
    web: Process, stores: Stores, crowd: list[UserId], dora: Listener
) -> None:
    place(stores, dora.user_id, 1)
    with stores.engine.begin() as conn:
        rank_blocks.begin_again(conn, DEFAULT_BOARD)
    own = {"authorization": f"Bearer {dora.token}"}
    for path in ("boards/all-time/standings", f"boards/all-time/ranks/{crowd[0]}", f"users/{dora.user_id}"):
        answer = httpx2.get(f"{web.url}/{path}", headers=own)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
    assert get(web, f"laps/ranks/{crowd[0]}")["of"] == 0
    assert tending.tend(stores.engine)
    assert get(web, f"all-time/ranks/{dora.user_id}")["rank"] == 24


def test_all_who_wait_are_one_statement(engine: sa.Engine, rules: BoardRules, crowd: list[UserId]) -> None:
    which = Which(rules[DEFAULT_BOARD], None)
    sent: list[str] = []

    def note(*args: Any) -> None:
        sent.append(args[2])

    sa.event.listen(engine, "before_cursor_execute", note)
    found = run_ranks(engine, [Asked(which, (player,)) for player in (*crowd, *crowd)])
    sa.event.remove(engine, "before_cursor_execute", note)
    assert len(sent) == 1
    assert [it.users[0].rank for it in found if not isinstance(it, Exception)] == [*range(1, 24)] * 2
