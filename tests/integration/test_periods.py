"""Settling and correcting on boards with periods and rules of their own: each counts what it covers, and no more."""

import tomllib
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.board import audit, correct, rebuild, rename
from app.domain import board_rules
from app.domain.board_rules import BoardRules
from app.domain.ids import ActionId, BoardId, UserId
from db.transaction import in_transaction
from tests.support.corrections import OPERATOR
from tests.support.people import add_user
from tests.support.service import Stores
from tests.support.settled import Done
from tests.support.settled import settled as settled_on

RULES = board_rules.parse(
    tomllib.loads("""
        [boards.all-time]

        [boards.day]
        window = "daily"
        zone = "Europe/Berlin"

        [boards.week]
        window = "weekly"
        top = 2

        [boards.fastest]
        types = ["lap"]
        of = "value"
        by = "best"
        order = "lowest"
        unit = "ms"

        [boards.last]
        types = ["lap"]
        of = "value"
        by = "latest"

        [boards.spring]
        from = 2026-03-01T00:00:00Z
        to = 2026-06-01T00:00:00Z
        types = ["quest"]
    """)
)
SUNDAY = datetime(2026, 3, 29, 12, tzinfo=UTC)
"""A day of 23 hours in Berlin, the last of the week 2026-W13."""

Standings = dict[str, dict[UserId, int]]


def settled(engine: sa.Engine, *done: Done, rules: BoardRules = RULES) -> list[ActionId]:
    return settled_on(engine, rules, *done)


def standings(engine: sa.Engine) -> Standings:
    """Return every standing by its board's row and its user."""
    found: Standings = {}
    with engine.connect() as conn:
        for board_id, user_id, score in conn.execute(
            sa.text("SELECT board_id, user_id::text, score FROM standings ORDER BY 1, 2")
        ):
            found.setdefault(board_id, {})[UserId(user_id)] = score
    return found


def rows(engine: sa.Engine, board_id: str) -> list[tuple[UserId, int]]:
    """Return what a board's row shows, the first place first."""
    with engine.connect() as conn:
        query = sa.text("SELECT user_id::text, score FROM top_scores WHERE board_id = :id ORDER BY rank")
        return [(UserId(user_id), score) for user_id, score in conn.execute(query, {"id": board_id})]


def violations(engine: sa.Engine) -> dict[str, int]:
    checks = in_transaction(engine, lambda conn: audit.audit(conn, RULES))
    return {check.name: check.violations for check in checks if check.violations}


@pytest.fixture
def alice(engine: sa.Engine) -> UserId:
    return add_user(engine)


@pytest.fixture
def bob(engine: sa.Engine) -> UserId:
    return add_user(engine)


def test_action_counts_on_every_board_that_covers_it(engine: sa.Engine, alice: UserId, bob: UserId) -> None:
    midnight = datetime(2026, 3, 29, 22, tzinfo=UTC)  # in Berlin; the week in UTC goes on for two hours
    settled(
        engine,
        Done(alice, SUNDAY),
        Done(alice, midnight - timedelta(microseconds=1)),
        Done(alice, midnight),
        Done(alice, midnight + timedelta(hours=2), "quest", 50),
        Done(bob, datetime(2026, 6, 1, tzinfo=UTC), "quest", 50),
    )
    assert standings(engine) == {
        "all-time": {alice: 80, bob: 50},
        "day:2026-03-29": {alice: 20},
        "day:2026-03-30": {alice: 60},
        "day:2026-06-01": {bob: 50},
        "week:2026-W13": {alice: 30},
        "week:2026-W14": {alice: 50},
        "week:2026-W23": {bob: 50},
        "spring": {alice: 50},
    }
    assert rows(engine, "week:2026-W13") == [(alice, 30)]
    assert rows(engine, "spring") == [(alice, 50)]
    assert violations(engine) == {}


@pytest.mark.parametrize("together", [True, False], ids=["at once", "one by one"])
def test_best_and_latest_values(engine: sa.Engine, alice: UserId, bob: UserId, together: bool) -> None:
    done = [
        Done(alice, SUNDAY, "lap", 1, 61_000),
        Done(alice, SUNDAY + timedelta(seconds=2), "lap", 1, 60_000),
        Done(alice, SUNDAY + timedelta(seconds=1), "lap", 1, 70_000),
        Done(alice, SUNDAY + timedelta(seconds=2), "lap", 1, 65_000),  # the same moment: the better one counts
        Done(bob, SUNDAY + timedelta(seconds=3), "lap", 0, 60_000),
        Done(bob, SUNDAY + timedelta(seconds=9), "lap", 0, -5),
        Done(bob, SUNDAY + timedelta(seconds=5), "lap", 0, 0),
    ]
    for it in [done] if together else [[it] for it in done]:
        settled(engine, *it)
    found = standings(engine)
    assert (found["fastest"], found["last"]) == ({alice: 60_000, bob: -5}, {alice: 65_000, bob: -5})
    assert rows(engine, "fastest") == [(bob, -5), (alice, 60_000)]
    assert rows(engine, "last") == [(alice, 65_000), (bob, -5)]
    assert "fastest" not in {board for board, scores in found.items() if scores == {}}
    assert violations(engine) == {}


def test_ties_are_won_by_who_was_there_first(engine: sa.Engine, alice: UserId, bob: UserId) -> None:
    settled(engine, Done(alice, SUNDAY + timedelta(seconds=1), "lap", 0, 500))
    settled(engine, Done(bob, SUNDAY + timedelta(seconds=2), "lap", 0, 500))
    assert [user_id for user_id, _ in rows(engine, "fastest")] == [alice, bob]
    settled(engine, Done(bob, SUNDAY, "lap", 0, 500))  # reported late: it ended first
    assert [user_id for user_id, _ in rows(engine, "fastest")] == [bob, alice]
    assert violations(engine) == {}


def test_corrections_reach_every_board_that_counted_it(engine: sa.Engine, alice: UserId, bob: UserId) -> None:
    ids = settled(
        engine,
        Done(alice, SUNDAY, "lap", 10, 60_000),
        Done(alice, SUNDAY + timedelta(seconds=5), "lap", 10, 59_000),
        Done(bob, SUNDAY + timedelta(seconds=9), "lap", 5, 59_500),
    )
    before = standings(engine), {board: rows(engine, board) for board in ("fastest", "last", "week:2026-W13")}
    in_transaction(engine, lambda conn: correct.reverse(conn, RULES, ids[1], **OPERATOR))
    found = standings(engine)
    assert {board: scores[alice] for board, scores in found.items()} == {
        "all-time": 10,
        "day:2026-03-29": 10,
        "week:2026-W13": 10,
        "fastest": 60_000,
        "last": 60_000,
    }
    assert rows(engine, "fastest") == [(bob, 59_500), (alice, 60_000)]
    assert violations(engine) == {}
    in_transaction(engine, lambda conn: correct.release(conn, RULES, ids[1], **OPERATOR))
    assert (standings(engine), {board: rows(engine, board) for board in before[1]}) == before
    in_transaction(engine, lambda conn: correct.reverse(conn, RULES, ids[2], **OPERATOR))
    assert [board for board, scores in standings(engine).items() if bob in scores] == []
    assert violations(engine) == {}


def test_adjustment_counts_now_and_on_sums_of_points_alone(engine: sa.Engine, alice: UserId) -> None:
    settled(engine, Done(alice, SUNDAY, "quest", 50))
    in_transaction(engine, lambda conn: correct.adjust(conn, RULES, alice, 7, **OPERATOR))
    found = standings(engine)
    assert (found["all-time"], found["spring"], found["week:2026-W13"]) == ({alice: 57}, {alice: 50}, {alice: 50})
    now = {board: scores for board, scores in found.items() if scores == {alice: 7}}
    assert {board.partition(":")[0] for board in now} == {"day", "week"}
    assert violations(engine) == {}


def test_hidden_renamed_and_erased_in_periods_that_are_over(engine: sa.Engine, alice: UserId, bob: UserId) -> None:
    third = add_user(engine)
    settled(engine, *(Done(it, SUNDAY, points=10 * n) for n, it in enumerate((alice, bob, third), start=1)))
    assert rows(engine, "week:2026-W13") == [(third, 30), (bob, 20)]  # the board shows two
    in_transaction(engine, lambda conn: correct.hide(conn, RULES, third, **OPERATOR))
    for board, shown in (("week:2026-W13", [(bob, 20), (alice, 10)]), ("day:2026-03-29", [(bob, 20), (alice, 10)])):
        assert rows(engine, board) == shown
    in_transaction(engine, lambda conn: correct.show(conn, RULES, third, **OPERATOR))
    assert rows(engine, "week:2026-W13") == [(third, 30), (bob, 20)]
    in_transaction(engine, lambda conn: rename.set_display_name(conn, RULES, third, "Third", token_version=None))
    with engine.connect() as conn:
        named = conn.execute(sa.text("SELECT DISTINCT display_name FROM top_scores WHERE rank = 1")).scalars().all()
    assert named == ["Third"]
    assert violations(engine) == {}


def test_rebuild_equals_what_was_settled(engine: sa.Engine, alice: UserId, bob: UserId, stores: Stores) -> None:
    players = [alice, bob, *(add_user(engine) for _ in range(4))]
    for n in range(40):
        at = SUNDAY + timedelta(hours=7 * n, seconds=n % 3)
        settled(engine, Done(players[n * n % 6], at, ("lap", "quest", "default")[n % 3], n % 4 * 10, n * 37 % 11))
    in_transaction(engine, lambda conn: correct.adjust(conn, RULES, alice, 3, **OPERATOR))
    assert violations(engine) == {}
    query = "SELECT board_id, user_id::text, score, reached_at, combine, lowest, valued FROM standings ORDER BY 1, 2"
    tops = "SELECT board_id, rank, user_id::text, score FROM top_scores ORDER BY 1, 2"
    before = stores.rows(query), stores.rows(tops)
    assert len(before[0]) > 40
    for board in RULES:
        assert in_transaction(engine, lambda conn, it=board: rebuild.rebuild(conn, RULES, it)) == ([], {})  # type: ignore[misc]
    stores.execute("DELETE FROM top_scores")
    stores.execute("DELETE FROM standings")
    stores.execute("DELETE FROM boards")
    for board in RULES:
        changed, versions = in_transaction(engine, lambda conn, it=board: rebuild.rebuild(conn, RULES, it))  # type: ignore[misc]
        assert changed
        assert versions
    assert (stores.rows(query), stores.rows(tops)) == before
    assert violations(engine) == {}


def test_board_that_is_given_another_rule_is_filled_by_a_rebuild(
    engine: sa.Engine, alice: UserId, bob: UserId, stores: Stores
) -> None:
    settled(engine, Done(alice, SUNDAY, points=30), Done(alice, SUNDAY + timedelta(days=3)), Done(bob, SUNDAY))
    monthly = board_rules.parse(tomllib.loads('[boards.all-time]\n[boards.week]\nwindow = "monthly"\nby = "best"'))
    in_transaction(engine, lambda conn: rebuild.rebuild(conn, monthly, BoardId("week")))
    found = standings(engine)
    assert (found["week:2026-03"], found["week:2026-04"]) == ({alice: 30, bob: 10}, {alice: 10})
    assert [board for board in found if board.startswith("week:2026-W")] == []
    assert in_transaction(engine, lambda conn: audit.audit(conn, monthly))[1].violations == 0
    in_transaction(engine, lambda conn: rebuild.rebuild(conn, RULES, BoardId("week")))
    assert standings(engine)["week:2026-W13"] == {alice: 30, bob: 10}
    assert violations(engine) == {}


def test_new_period_begins_a_greater_epoch(engine: sa.Engine, alice: UserId, stores: Stores) -> None:
    settled(engine, Done(alice, SUNDAY))
    ahead = "ffffffff-0000-7000-8000-ffffffffff0e"
    stores.execute("UPDATE boards SET epoch = CAST(:ahead AS uuid) WHERE id = 'week:2026-W13'", ahead=ahead)
    settled(engine, Done(alice, SUNDAY + timedelta(days=7)))
    assert stores.value("SELECT epoch::text FROM boards WHERE id = 'week:2026-W14'") == ahead[:-1] + "f"
    bounds = stores.rows("SELECT starts_at, ends_at, board, label FROM boards WHERE id = 'week:2026-W14'")
    monday = datetime(2026, 3, 30, tzinfo=UTC)
    assert bounds == [(monday, monday + timedelta(days=7), "week", "2026-W14")]


def test_frozen_board_keeps_its_rows_while_standings_go_on(
    engine: sa.Engine, alice: UserId, bob: UserId, stores: Stores
) -> None:
    settled(engine, Done(alice, SUNDAY))
    stores.execute("UPDATE boards SET frozen_from = now() WHERE id = 'all-time'")
    settled(engine, Done(bob, SUNDAY, points=50))
    assert rows(engine, "all-time") == [(alice, 10)]
    assert standings(engine)["all-time"] == {alice: 10, bob: 50}
    assert rows(engine, "week:2026-W13") == [(bob, 50), (alice, 10)]
