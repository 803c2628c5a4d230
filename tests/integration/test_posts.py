"""What is posted is recorded once: reports, idempotency keys, ends in the past; on a real database, in batches."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from app import actions, posts
from app.board import audit, overdue, settle
from app.board.vetting import Vetting
from app.board.worker import Desk
from app.domain import fraud, scoring
from app.domain.actions import CompletedAction, End, Start
from app.domain.errors import (
    DatabaseUnavailable,
    IdempotencyMismatch,
    NotFound,
    ScoreboardError,
    Suspended,
    TooManyOpenActions,
    Unauthorized,
    UnknownType,
    WrongEnd,
)
from app.domain.idempotency import Idempotency
from app.domain.ids import ActionId, UserId, new_id
from app.domain.posts import Post, Recorded
from app.domain.scoring import ScoringRules
from db import engine as engines
from db import marks, outbox
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support.board import BOARDS, VETTING, completed, first_ten, top
from tests.support.people import add_user, end_tokens, suspend
from tests.support.service import NOBODY, Stores, eventually

KEY = new_id()
RULES = scoring.parse(
    {
        "max_open_actions": 2,
        "types": {
            "default": {"points": 10},
            "daily": {"points": 7, "per_day": 2},
            "lap": {"points": {"per_value": 0.1, "max": 500}, "value": {"min": 0, "max": 10_000}},
        },
    }
)


def report(user_id: UserId, type_: str = "default", *, key: str | None = None, asks: str = "a", **more: Any) -> Post:
    """Return a report by a service key, with an idempotency key if one is given."""
    idempotency = Idempotency(KEY, key, asks.encode().hex().ljust(64, "0")) if key else None
    return Post(
        *(ActionId(new_id()), user_id, None, "completed", type_, None, "{}"),
        reported_by=KEY,
        idempotency=idempotency,
        **more,
    )


def start(user_id: UserId, key: str, *, version: int = 0) -> Post:
    """Return a player's start with an idempotency key."""
    return Post(
        *(ActionId(new_id()), user_id, version, "started", "default", "192.0.2.1", '{"level":1e2}'),
        idempotency=Idempotency(user_id, key, 64 * "0"),
    )


def record(engine: sa.Engine, *batch: Post, rules: ScoringRules = RULES) -> list[Recorded | ScoreboardError]:
    return in_transaction(engine, lambda conn: posts.record(conn, batch, rules))


def recorded(engine: sa.Engine, *batch: Post) -> list[Recorded]:
    results = [it for it in record(engine, *batch) if isinstance(it, Recorded)]
    assert len(results) == len(batch), results
    return results


def kinds(results: Sequence[Recorded | ScoreboardError]) -> list[object]:
    """Return for each result whether it is new or replayed, or the class of the error."""
    return [("replayed" if it.replayed else "new") if isinstance(it, Recorded) else type(it) for it in results]


def now(stores: Stores) -> datetime:
    moment: datetime = stores.value("SELECT clock_timestamp()")
    return moment.astimezone(UTC)


def violations(engine: sa.Engine) -> dict[str, int]:
    checks = in_transaction(engine, lambda conn: audit.audit(conn, BOARDS))
    return {check.name: check.violations for check in checks if check.violations}


def test_report_is_a_completed_action_and_its_points_are_in_the_total(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    first, second = recorded(engine, report(alice), report(alice, "lap", value=1239))
    action = second.action
    assert isinstance(action, CompletedAction)
    assert (action.score, action.awarded_points, action.total_score, action.value) == (123, 123, 133, 1239)
    assert action.start_at == action.end_at
    assert [first.replayed, second.replayed] == [False, False]
    rows = stores.rows(
        "SELECT status, score, settlement, value, reported_by::text, recorded_at, client_ip, start_at, end_at"
        " FROM actions ORDER BY score"
    )
    assert [tuple(row)[:7] for row in rows] == [
        ("completed", 10, "pending", None, KEY, None, None),
        ("completed", 123, "pending", 1239, KEY, None, None),
    ]
    assert rows[1].start_at == rows[1].end_at == action.end_at
    assert stores.value("SELECT total_score FROM users") == 133
    assert violations(engine) == {}


def test_same_key_again_gives_the_same_action_as_it_is_by_now(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    (first,) = recorded(engine, report(alice, key="lap 1"))
    completed(engine, alice)
    in_transaction(engine, lambda conn: settle.settle(conn, BOARDS, [first.action.action_id], VETTING))

    (again,) = recorded(engine, report(alice, key="lap 1"))

    assert again.replayed
    assert isinstance(again.action, CompletedAction)
    assert (again.action.action_id, again.action.score) == (first.action.action_id, 10)
    assert (again.action.settlement, again.action.awarded_points, again.action.total_score) == ("cleared", 10, 20)
    assert stores.value("SELECT count(*) FROM actions") == 2
    assert stores.value("SELECT count(*) FROM idempotency_keys") == 1


def test_same_key_for_something_else_is_refused_and_changes_nothing(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    recorded(engine, report(alice, key="k"))
    batch = [report(alice, key="k", asks="b"), report(bob, key="k", asks="c"), report(bob, key="other")]
    assert kinds(record(engine, *batch)) == [IdempotencyMismatch, IdempotencyMismatch, "new"]
    assert stores.rows("SELECT total_score FROM users ORDER BY id") == [(10,), (10,)]


def test_keys_are_apart_for_each_owner(engine: sa.Engine) -> None:
    alice, bob = add_user(engine), add_user(engine)
    batch = [start(alice, "k"), start(bob, "k"), report(alice, key="k")]
    assert kinds(record(engine, *batch)) == ["new"] * 3
    assert kinds(record(engine, *batch)) == ["replayed"] * 3


def test_key_twice_in_one_batch_is_one_action(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    batch = [report(alice, key="k"), report(alice, key="k"), report(alice, key="k", asks="b"), report(alice, key="l")]
    results = record(engine, *batch)
    assert kinds(results) == ["new", "replayed", IdempotencyMismatch, "new"]
    first, again = (it.action for it in results[:2] if isinstance(it, Recorded))
    assert first == again
    assert stores.value("SELECT total_score FROM users") == 20


def test_refused_post_leaves_its_key_free(engine: sa.Engine, stores: Stores) -> None:
    alice, suspended, gone = add_user(engine), add_user(engine), add_user(engine)
    suspend(stores, suspended)
    end_tokens(stores, gone)
    ahead, old = now(stores) + timedelta(seconds=60), now(stores) - timedelta(hours=1, seconds=1)
    batch = [
        report(UserId(NOBODY), key="nobody"),
        report(suspended, key="suspended"),
        start(gone, "gone"),
        report(alice, key="ahead", end_at=ahead),
        report(alice, key="old", end_at=old),
        report(alice, key="type", refusal=UnknownType("There is no such type.")),
        report(alice, key="old"),  # its key was claimed by the one before, which was refused
        report(alice, key="type"),
        *(start(alice, f"start {n}") for n in range(3)),
    ]
    refused: list[object] = [NotFound, Suspended, Unauthorized, WrongEnd, WrongEnd, UnknownType, DatabaseUnavailable]
    assert kinds(record(engine, *batch)) == [*refused, "new", "new", "new", TooManyOpenActions]
    assert stores.rows("SELECT key FROM idempotency_keys ORDER BY key") == [("start 0",), ("start 1",), ("type",)]
    assert kinds(record(engine, report(alice, key="old"), report(alice, key="ahead"))) == ["new", "new"]
    assert violations(engine) == {}


def test_replay_is_answered_whatever_the_rules_have_become(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    first = report(alice, key="k", end_at=now(stores) - timedelta(minutes=59))
    recorded(engine, first)
    suspend(stores, alice)
    late = replace(
        first, action_id=ActionId(new_id()), end_at=now(stores) - timedelta(hours=2), refusal=UnknownType("Gone.")
    )
    assert kinds(record(engine, late)) == ["replayed"]


def test_replayed_start_tells_what_has_become_of_the_action(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    (begun,) = recorded(engine, start(alice, "k"))
    assert bytes(begun.action.metadata) == b'{"level": 100}'
    (again,) = recorded(engine, start(alice, "k"))
    assert msgspec.json.encode(again) == msgspec.json.encode(Recorded(begun.action, replayed=True))
    end = End(begun.action.action_id, alice, 0, "completed", None)
    in_transaction(engine, lambda conn: actions.end(conn, [end], RULES))
    (ended,) = recorded(engine, start(alice, "k"))
    assert isinstance(ended.action, CompletedAction)
    assert (ended.action.action_id, ended.action.score, ended.action.total_score) == (begun.action.action_id, 10, 10)
    suspend(stores, alice)
    assert kinds(record(engine, start(alice, "k"))) == [Suspended]


def test_end_lies_at_most_an_hour_back_and_never_ahead_of_the_database(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    moment = now(stores)
    margins = [timedelta(minutes=-59), timedelta(0), timedelta(minutes=-61), timedelta(seconds=5)]
    results = record(engine, *(report(alice, end_at=moment + margin) for margin in margins))
    assert kinds(results) == ["new", "new", WrongEnd, WrongEnd]
    assert [it.action.end_at for it in results if isinstance(it, Recorded)] == [moment + it for it in margins[:2]]
    assert "hour back" in str(results[2])
    assert "ahead" in str(results[3])


def test_days_number_is_that_of_the_day_on_which_it_ended(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    today = now(stores).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = today - timedelta(seconds=1)

    def scores(*ends: datetime) -> list[int | None]:
        batch = [report(alice, "daily", end_at=end) for end in ends]
        return [it.action.score for it in record(engine, *batch) if isinstance(it, Recorded)]

    original = posts.OLDEST_END
    posts.OLDEST_END = timedelta(days=3)
    try:
        assert scores(today, today) == [7, 7]
        assert scores(yesterday, today, yesterday, yesterday) == [7, 0, 7, 0]
        assert scores(today, yesterday) == [0, 0]
    finally:
        posts.OLDEST_END = original


def test_end_in_the_past_is_not_overdue_and_no_lag_and_not_behind_the_mark(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    completed(engine, bob)
    in_transaction(engine, outbox.advance_mark)
    stores.execute("UPDATE actions SET settlement = 'cleared', settled_at = now()")
    stores.execute("UPDATE marks SET at = now() - interval '1 minute'")
    (late,) = recorded(engine, report(alice, end_at=now(stores) - timedelta(minutes=50)))

    def overdue_ids(age: float) -> list[ActionId]:
        with engine.connect() as conn:
            return [action_id for action_id, _ in outbox.overdue(conn, age=age, limit=10)]

    with engine.connect() as conn:
        assert outbox.settle_lag(conn) < 30
    assert violations(engine) == {"standings": 1}  # what was marked above without being settled
    assert overdue_ids(overdue.OVERDUE) == []
    assert eventually(lambda: overdue_ids(0.1)) == [late.action.action_id]

    desk = Desk(engine, Publisher.on(stores.redis), BOARDS, RULES, VETTING)
    stores.execute("UPDATE actions SET recorded_at = recorded_at - interval '10 s' WHERE recorded_at IS NOT NULL")
    overdue.settle_overdue(desk)
    assert stores.value("SELECT settlement FROM actions WHERE recorded_at IS NOT NULL") == "cleared"
    assert stores.value("SELECT at FROM marks WHERE name = :name", name=marks.OUTBOX)


def test_ties_go_by_when_it_ended_not_by_when_it_was_reported(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    ids = completed(engine, alice)
    (late,) = recorded(engine, report(bob, end_at=now(stores) - timedelta(minutes=5)))
    for action_id in (*ids, late.action.action_id):
        in_transaction(engine, lambda conn, it=action_id: settle.settle(conn, BOARDS, [it], VETTING))  # type: ignore[misc]
    assert top(engine) == first_ten(engine) == [(bob, 10), (alice, 10)]
    assert violations(engine) == {}


@pytest.mark.parametrize("together", [True, False], ids=["settled together", "one after the other"])
def test_reports_from_the_last_to_the_first_are_vetted_like_those_in_order(
    engine: sa.Engine, stores: Stores, together: bool
) -> None:
    alice, bob = add_user(engine), add_user(engine)
    vetting = Vetting(fraud.parse({"velocity": {"completions_per_minute": 3}}), default_award=10)
    moment = now(stores) - timedelta(minutes=30)
    back = [0, 10, 20, 30, 59, 60, 200]  # the last two lie in no window with the first
    ids = []
    for seconds in back:
        batch = [report(user_id, end_at=moment - timedelta(seconds=seconds)) for user_id in (alice, bob)]
        ids.append([it.action.action_id for it in recorded(engine, *batch)])
        if not together:
            in_transaction(engine, lambda conn: settle.settle(conn, BOARDS, ids[-1], vetting))
    if together:
        in_transaction(engine, lambda conn: settle.settle(conn, BOARDS, [it for pair in ids for it in pair], vetting))
    found: dict[str, str] = dict(map(tuple, stores.rows("SELECT id::text, settlement FROM actions")))
    cleared = [tuple(found[it] == "cleared" for it in pair) for pair in ids]
    if together:
        # Each of the first five lies in a window with the four others; what comes before them only with four.
        assert cleared == [(False, False)] * 6 + [(True, True)]
    else:
        assert cleared == [(True, True)] * 3 + [(False, False)] * 3 + [(True, True)]


def test_two_connections_with_one_key_make_one_action(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    first_has_claimed, second_waits = threading.Event(), threading.Event()

    def first() -> list[Recorded | ScoreboardError]:
        def work(conn: sa.Connection) -> list[Recorded | ScoreboardError]:
            results = posts.record(conn, [report(alice, key="k")], RULES)
            conn.execute(sa.text("SELECT 1"))  # sends what is queued
            first_has_claimed.set()
            assert second_waits.wait(10)
            return results

        return in_transaction(engine, work)

    def second() -> list[Recorded | ScoreboardError]:
        assert first_has_claimed.wait(10)
        # For another player, or it would wait for the lock on the player; with the same hash, as if it were the same.
        return record(engine, report(bob, key="k", asks="b"), report(alice, key="k"))

    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(2) as threads:
        results = [threads.submit(first), threads.submit(second)]
        eventually(lambda: stores.value(waiting))
        second_waits.set()
        assert [kinds(it.result()) for it in results] == [["new"], [IdempotencyMismatch, "replayed"]]
    assert stores.rows("SELECT total_score FROM users ORDER BY id") == [(10,), (0,)]


def test_many_connections_with_the_same_keys_in_any_order_never_deadlock(engine: sa.Engine, stores: Stores) -> None:
    players = [add_user(engine) for _ in range(6)]
    before = stores.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")

    def batch(turn: int) -> list[Recorded | ScoreboardError]:
        order = sorted(range(30), key=lambda n: hash((turn, n)))
        return record(engine, *(report(players[n % 6], key=f"{n}") for n in order))

    with ThreadPoolExecutor(6) as threads:
        results = [it for batch_ in threads.map(batch, range(12)) for it in kinds(batch_)]
    assert (results.count("new"), results.count("replayed")) == (30, 330)
    assert stores.value("SELECT sum(total_score) FROM users") == 300
    assert stores.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == before
    assert violations(engine) == {}


def test_locked_player_is_left_out_and_the_others_are_recorded(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    url = str(stores.engine.url.render_as_string(False))
    web = engines.connect(url, replace(engines.WEB, lock=0.1), pool_size=2, name="test")
    with engine.connect() as conn:
        conn.execute(sa.text("SELECT 1 FROM users WHERE id = :id FOR UPDATE"), {"id": alice})
        results = posts.run_posts(web, RULES, [report(alice, key="a"), report(bob, key="b"), start(alice, "c")])
        assert kinds([it for it in results if isinstance(it, Recorded | ScoreboardError)]) == [
            DatabaseUnavailable,
            "new",
            DatabaseUnavailable,
        ]
    assert kinds(record(web, report(alice, key="a"), report(bob, key="b"))) == ["new", "replayed"]
    web.dispose()


def test_report_and_end_of_a_player_at_once_lose_no_point(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    starts = [Start(ActionId(new_id()), alice, 0, "default", None, "{}") for _ in range(20)]
    in_transaction(engine, lambda conn: actions.start(conn, starts, max_open=1000))

    def one(n: int) -> None:
        end = End(starts[n].action_id, alice, 0, "completed", None)
        in_transaction(engine, lambda conn: actions.end(conn, [end], RULES))
        recorded(engine, report(alice, key=f"{n}"))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(one, range(20)))
    assert stores.value("SELECT total_score FROM users") == 400
    assert violations(engine) == {}
