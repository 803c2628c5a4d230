"""Settling: each completed action counts once, whatever becomes of its message."""

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from app import actions
from app.actions import run_ends
from app.board import overdue, settle, sweep, worker
from app.board.publish import publish
from app.board.top import refresh_whole
from app.board.worker import Desk
from app.domain import fraud, messages
from app.domain.actions import CompletedAction, End, Start
from app.domain.board_rules import BoardRules
from app.domain.errors import DatabaseUnavailable
from app.domain.ids import DEFAULT_BOARD, ActionId, BoardId, UserId, new_id
from config import queues
from db import boards, expiry, marks, outbox
from db import engine as engines
from db.redis import TO_RESTORE_KEY, WORKER_SEEN_KEY, Publisher
from db.transaction import TimedOut, in_transaction
from tests.support.board import ALL_TIME, ONE_BOARD, RULES, VETTING, completed, first_ten, top
from tests.support.people import add_user
from tests.support.service import Stores


@pytest.fixture
def publisher(stores: Stores) -> Publisher:
    return Publisher.on(stores.redis)


def started(engine: sa.Engine, *user_ids: UserId) -> list[End]:
    """Start an action for each of the users, and return what completes it."""
    starts = [Start(ActionId(new_id()), user_id, 0, "default", None, "{}") for user_id in user_ids]
    in_transaction(engine, lambda conn: actions.start(conn, starts, max_open=1000))
    return [End(start.action_id, start.user_id, 0, "completed", None) for start in starts]


def version(engine: sa.Engine) -> int:
    with engine.connect() as conn:
        return int(conn.execute(sa.text("SELECT version FROM boards")).scalar_one())


def test_settled_action_stands_on_the_board(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    (action_id,) = completed(engine, alice)
    assert top(engine) == []

    settled = in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, [action_id], VETTING))

    assert settled == settle.Settled(cleared=1, held_by=())
    assert top(engine) == [(alice, 10)]
    assert stores.rows("SELECT settlement, settled_at IS NOT NULL FROM actions") == [("cleared", True)]
    assert stores.value("SELECT reached_at = end_at FROM standings, actions")


def test_same_ids_again_change_nothing(engine: sa.Engine) -> None:
    ids = completed(engine, add_user(engine), add_user(engine))
    for _ in range(10):
        in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, VETTING))
    assert [score for _, score in top(engine)] == [10, 10]
    assert version(engine) == 1


def test_ties_go_to_who_was_first_whatever_the_order_of_settling(engine: sa.Engine) -> None:
    first, second = add_user(engine), add_user(engine)
    early = completed(engine, first)
    late = completed(engine, second)
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, late, VETTING))
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, early, VETTING))
    assert [user_id for user_id, _ in top(engine)] == [first, second]


def test_settle_two_actions_of_a_user_stand_reached_at_the_later(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    first, last = started(engine, alice, alice)
    # In the other order than that of their ids, in which they are settled.
    for end in (last, first):
        in_transaction(engine, lambda conn, end=end: actions.end(conn, [end], RULES))  # type: ignore[misc]
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, [first.action_id, last.action_id], VETTING))
    assert stores.value("SELECT reached_at = (SELECT max(end_at) FROM actions) FROM standings")


def test_settle_of_an_earlier_end_keeps_the_time_of_reaching(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    early, late = completed(engine, alice), completed(engine, alice)
    for ids in (late, early):
        in_transaction(engine, lambda conn, ids=ids: settle.settle(conn, ONE_BOARD, ids, VETTING))  # type: ignore[misc]
    assert stores.value("SELECT reached_at = (SELECT max(end_at) FROM actions) FROM standings")


def test_settle_an_action_that_was_not_completed_is_left_alone(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    open_, gone = started(engine, alice, alice)
    in_transaction(engine, lambda conn: actions.end(conn, [replace(gone, status="cancelled")], RULES))
    ids = [open_.action_id, gone.action_id]
    assert in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, VETTING)) == settle.Settled()
    assert stores.value("SELECT count(*) FROM actions WHERE settled_at IS NULL AND settlement IS NULL") == 2


def test_action_for_no_points_moves_nobody(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    (action_id,) = completed(engine, alice)
    with engine.begin() as conn:
        conn.execute(sa.text("UPDATE actions SET score = 0"))
    settled = in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, [action_id], VETTING))
    assert settled == settle.Settled(cleared=1, held_by=())
    assert stores.value("SELECT count(*) FROM standings") == 0


def test_sweep_settles_what_no_message_reached(engine: sa.Engine, stores: Stores, publisher: Publisher) -> None:
    alice = add_user(engine)
    completed(engine, alice)
    with engine.begin() as conn:
        conn.execute(
            sa.text("UPDATE actions SET end_at = end_at - interval '3 s', start_at = start_at - interval '3 s'")
        )

    sweep.run_duties(Desk(engine, publisher, ONE_BOARD, RULES, VETTING))

    assert top(engine) == [(alice, 10)]
    update = messages.read_update(stores.redis.get("top_scores:10") or b"")
    assert update is not None
    assert update.stamp[1] == version(engine)


def test_sweep_cancels_expired_actions(
    engine: sa.Engine, stores: Stores, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    alice = add_user(engine)
    starts = [Start(ActionId(new_id()), alice, 0, kind, None, "{}") for kind in ("quest", "quest", "default")]
    in_transaction(engine, lambda conn: actions.start(conn, starts, max_open=1000))
    with engine.begin() as conn:
        aged = "UPDATE actions SET start_at = start_at - interval '2 hours' WHERE id = ANY(CAST(:ids AS uuid[]))"
        conn.execute(sa.text(aged), {"ids": [starts[0].action_id, starts[2].action_id]})

    sweep.run_duties(Desk(engine, publisher, ONE_BOARD, RULES, VETTING))

    statuses = dict(stores.rows("SELECT id::text, status FROM actions"))
    assert [statuses[start.action_id] for start in starts] == ["cancelled", "started", "started"]
    assert [it.getMessage() for it in caplog.records].count("action.expired") == 1


def test_cancel_expired_goes_by_the_limit_of_each_type(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    starts = [Start(ActionId(new_id()), alice, 0, kind, None, "{}") for kind in ("short", "long", "endless")]
    in_transaction(engine, lambda conn: actions.start(conn, starts, max_open=1000))
    stores.execute("UPDATE actions SET start_at = start_at - interval '2 hours'")
    limits = {"short": 3600, "long": 3 * 3600}
    cancelled = in_transaction(engine, lambda conn: expiry.cancel_expired(conn, limits, limit=500))
    assert cancelled == [starts[0].action_id]


def test_cancel_expired_leaves_out_an_action_that_is_held(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    starts = [Start(ActionId(new_id()), alice, 0, "short", None, "{}") for _ in range(2)]
    in_transaction(engine, lambda conn: actions.start(conn, starts, max_open=1000))
    stores.execute("UPDATE actions SET start_at = start_at - interval '2 hours'")
    with engine.begin() as held:
        held.execute(sa.text("SELECT 1 FROM actions WHERE id = :id FOR UPDATE"), {"id": starts[0].action_id})
        cancelled = in_transaction(engine, lambda conn: expiry.cancel_expired(conn, {"short": 3600}, limit=500))
    assert cancelled == [starts[1].action_id]


DUTIES = [
    *("settling what is overdue", "freezing boards", "publishing the board"),
    *("suspending who is due", "cancelling what expired"),
]


OTHERS = ["forgetting what is too old", "marking what is settled", "tending the ranks", "thinning the record"]


@pytest.mark.parametrize("broken", DUTIES)
@pytest.mark.parametrize(
    "error", [TimedOut("The database is busy."), ValueError("unforeseen")], ids=["time-out", "bug"]
)
def test_sweep_duty_that_fails_keeps_no_other_from_running(
    broken: str,
    error: Exception,
    engine: sa.Engine,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran: list[str] = []

    def watched(name: str, duty: Callable[[Desk], object]) -> Callable[[Desk], object]:
        def run(desk: Desk) -> None:
            ran.append(name)
            if name == broken:
                raise error
            duty(desk)

        return run

    for duties in (sweep._FIRST_DUTIES, sweep._OTHER_DUTIES):
        for name, duty in duties.items():
            monkeypatch.setitem(duties, name, watched(name, duty))

    sweep.run_duties(Desk(engine, publisher, ONE_BOARD, RULES, VETTING))

    assert ran[:3] == DUTIES[:3]
    assert sorted(ran) == sorted([*DUTIES, *OTHERS])
    (line,) = [record.getMessage() for record in caplog.records if broken in record.getMessage()]
    assert ("took too long" in line) == isinstance(error, TimedOut)
    assert "PostgreSQL is away" not in caplog.text


def test_sweep_of_a_backlog_takes_most_of_its_interval(
    engine: sa.Engine, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that moves while batches are settled, 0.1 s each; every other duty has its turn nevertheless."""
    clock, done = [0.0], set()

    def note(name: str, _: Desk) -> None:
        done.add(name)

    def settle_slowly(_: Desk, __: object) -> bool:
        clock[0] += 0.1
        return True

    backlog = [(ActionId(new_id()), 0)] * queues.BATCH
    monkeypatch.setattr(overdue, "in_statement", lambda _, __: backlog)
    monkeypatch.setattr(overdue, "_attempt", settle_slowly)
    for module in (overdue, sweep):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    for name in sweep._OTHER_DUTIES:
        monkeypatch.setitem(sweep._OTHER_DUTIES, name, partial(note, name))
    sweep.run_duties(Desk(engine, publisher, ONE_BOARD, RULES, VETTING))
    assert 0.8 * queues.SWEEP_EVERY < clock[0] < queues.SWEEP_EVERY
    assert done == set(sweep._OTHER_DUTIES)


def test_sweep_says_that_a_worker_lives_for_a_few_seconds_only(
    engine: sa.Engine, stores: Stores, publisher: Publisher
) -> None:
    sweep.run_duties(Desk(engine, publisher, ONE_BOARD, RULES, VETTING))
    assert 0 < stores.redis.ttl(WORKER_SEEN_KEY) <= 15


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), TimedOut("slow")], ids=["away", "slow"])
def test_sweep_gives_attempts_back_if_the_database_was_at_fault(
    engine: sa.Engine,
    stores: Stores,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    error: DatabaseUnavailable,
) -> None:
    """Whatever a slow or missing database does to a batch, none of its actions is ever set aside for it."""
    ids = completed(engine, add_user(engine))
    stores.execute("UPDATE actions SET end_at = end_at - interval '1 min', start_at = start_at - interval '1 min'")
    stores.execute("UPDATE actions SET attempts = :attempts", attempts=settle.MAX_ATTEMPTS - 1)

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(overdue, "settle_batch", fail)
        broken.setattr(overdue, "SLOW", 0.0)
        for _ in range(3):
            with contextlib.suppress(DatabaseUnavailable):
                overdue._attempt(Desk(engine, publisher, ONE_BOARD, RULES, VETTING), ids)
            assert stores.rows("SELECT DISTINCT attempts FROM actions") == [(settle.MAX_ATTEMPTS - 1,)]
    sweep.run_duties(Desk(engine, publisher, ONE_BOARD, RULES, VETTING))
    assert stores.rows("SELECT DISTINCT settlement FROM actions") == [("cleared",)]


def test_sweep_sets_nothing_aside_if_attempts_cannot_be_returned(
    engine: sa.Engine, stores: Stores, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database that was away in the last attempt is away as well when that is to be taken back."""
    ids = completed(engine, add_user(engine))
    stores.execute("UPDATE actions SET end_at = end_at - interval '1 min', start_at = start_at - interval '1 min'")
    stores.execute("UPDATE actions SET attempts = :attempts", attempts=settle.MAX_ATTEMPTS - 1)

    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(overdue, "settle_batch", away)
        broken.setattr(overdue, "SLOW", 0.0)
        broken.setattr(outbox, "restore_last_attempt", away)
        with pytest.raises(DatabaseUnavailable):
            overdue._attempt(Desk(engine, publisher, ONE_BOARD, RULES, VETTING), ids)
    assert stores.rows("SELECT attempts FROM actions") == [(settle.MAX_ATTEMPTS,)]
    for _ in range(2):
        sweep.run_duties(Desk(engine, publisher, ONE_BOARD, RULES, VETTING))
    assert stores.rows("SELECT settlement FROM actions") == [("cleared",)]
    assert not stores.redis.exists(TO_RESTORE_KEY)


def test_sweep_moves_the_mark_up_to_the_oldest_that_is_left(
    engine: sa.Engine, stores: Stores, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long backlog is not read from its beginning again, where an old snapshot keeps what was settled of it."""
    alice = add_user(engine)
    for _ in range(3):
        completed(engine, alice)
    stores.execute("UPDATE actions SET start_at = start_at - interval '2 hours', end_at = end_at - interval '1 hour'")
    newest = stores.value("SELECT id FROM actions ORDER BY id DESC LIMIT 1")
    stores.execute("UPDATE actions SET end_at = end_at + interval '30 min' WHERE id = :id", id=newest)
    desk = Desk(engine, publisher, ONE_BOARD, RULES, VETTING)
    mark = "SELECT at FROM marks WHERE name = 'outbox'"
    oldest = "SELECT min(end_at) FROM actions WHERE settled_at IS NULL"
    with monkeypatch.context() as slow:
        slow.setattr(overdue, "SWEEP_FOR", 0.0)  # nothing is settled by the sweep
        for _ in range(2):
            sweep.run_duties(desk)
            assert stores.value(mark) == stores.value(oldest)
            worker.settle_and_publish(
                desk, [it.id for it in stores.rows("SELECT id::text FROM actions ORDER BY id LIMIT 2")]
            )
    assert stores.rows("SELECT settlement FROM actions ORDER BY id") == [("cleared",), ("cleared",), ("pending",)]
    sweep.run_duties(desk)
    assert stores.rows("SELECT DISTINCT settlement FROM actions") == [("cleared",)]
    sweep.run_duties(desk)
    assert stores.value(f"SELECT now() - ({mark})") < timedelta(seconds=marks.MARGIN + 30)


def test_settle_publishes_though_suspending_takes_too_long(
    engine: sa.Engine, stores: Stores, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = add_user(engine), add_user(engine)

    def slow(*_: object) -> list[UserId]:
        raise TimedOut("The database is busy.")

    monkeypatch.setattr(worker, "suspend_of_these", slow)
    verdicts = {alice: fraud.CLEARED, bob: fraud.UNSETTLEABLE}
    monkeypatch.setattr(settle, "judge", lambda _, claimed, __: [(it, verdicts[it.user_id]) for it in claimed])
    worker.settle_and_publish(Desk(engine, publisher, ONE_BOARD, RULES, VETTING), completed(engine, alice, bob))
    assert stores.rows("SELECT settlement FROM actions ORDER BY settlement") == [("cleared",), ("held",)]
    published = json.loads(stores.redis.get("top_scores:10") or "{}")
    assert [it["userId"] for it in published["payload"]] == [alice]


def test_action_never_settleable_is_set_aside_and_delays_nobody(
    engine: sa.Engine, stores: Stores, publisher: Publisher
) -> None:
    good, bad = add_user(engine, "good"), add_user(engine, "bad")
    (poison,) = completed(engine, bad)
    completed(engine, good)
    with engine.begin() as conn:
        conn.execute(
            sa.text("UPDATE actions SET end_at = end_at - interval '1 hour', start_at = start_at - interval '1 hour'")
        )
        # A constraint only this player's standing breaks: the transaction that holds it fails, each time.
        conn.execute(sa.text(f"ALTER TABLE standings ADD CONSTRAINT poison CHECK (user_id <> '{bad}')"))
    try:
        for _ in range(6):
            sweep.run_duties(Desk(engine, publisher, ONE_BOARD, RULES, VETTING))
    finally:
        with engine.begin() as conn:
            conn.execute(sa.text("ALTER TABLE standings DROP CONSTRAINT poison"))
    assert top(engine) == [(good, 10)]
    assert stores.rows("SELECT settlement, attempts FROM actions WHERE id = :id", id=poison) == [("held", 5)]
    held = "SELECT user_id::text, action_id::text, details->>'rule' FROM audit_events WHERE kind = 'held'"
    assert stores.rows(held) == [(bad, poison, "unsettleable")]


def test_held_action_shows_nowhere(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    (action_id,) = completed(engine, alice)
    settled = in_transaction(engine, lambda conn: settle.set_aside(conn, ONE_BOARD, action_id))
    assert settled.held == 1
    assert top(engine) == []
    assert stores.value("SELECT count(*) FROM standings") == 0
    assert stores.value("SELECT total_score FROM users") == 10


def test_settles_beside_falls_at_the_tenth_end_on_the_sql_ten(engine: sa.Engine, publisher: Publisher) -> None:
    players = [add_user(engine) for _ in range(14)]
    random = Random(7)
    for _ in range(12):
        ids = completed(engine, *random.choices(players, k=24))
        random.shuffle(ids)
        doubled = ids + ids[:8]
        chunks = [doubled[i : i + 8] for i in range(0, len(doubled), 8)]
        fallers = random.sample(players, 3)
        start = threading.Barrier(len(chunks) + len(fallers))
        with ThreadPoolExecutor(len(chunks) + len(fallers)) as pool:
            settles = [pool.submit(_settle, engine, chunk, start) for chunk in chunks]
            falls = [pool.submit(_fall, engine, user_id, start) for user_id in fallers]
            for done in (*settles, *falls):
                done.result(30)
        # A claim that was skipped because another transaction held it is left to the sweep.
        in_transaction(engine, lambda conn, ids=ids: settle.settle(conn, ONE_BOARD, ids, VETTING))  # type: ignore[misc]
        assert top(engine) == first_ten(engine)
    published = publish(engine, publisher, ALL_TIME)
    assert [(row["userId"], row["score"]) for row in _payload(published)] == top(engine)


def test_reader_of_the_ten_holds_off_writers_of_the_board(
    engine: sa.Engine, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = add_user(engine), add_user(engine)
    before = completed(engine, first)
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, before, VETTING))
    rise = completed(engine, second)
    reading, fallen = threading.Event(), threading.Event()
    lock_and_read = boards.lock_and_read

    def read_and_dawdle(
        conn: sa.Connection, rules: BoardRules, touched: Collection[tuple[BoardId, UserId]]
    ) -> dict[BoardId, boards.Locked]:
        result = lock_and_read(conn, rules, touched)
        if second in [user_id for _, user_id in touched]:
            reading.set()
            # Long enough for the fall to overtake us, if nothing holds it off.
            fallen.wait(0.5)
        return result

    monkeypatch.setattr(boards, "lock_and_read", read_and_dawdle)
    with ThreadPoolExecutor(2) as pool:
        rising = pool.submit(in_transaction, engine, lambda conn: settle.settle(conn, ONE_BOARD, rise, VETTING))
        assert reading.wait(10)
        falling = pool.submit(_fall, engine, first, threading.Barrier(1))
        falling.add_done_callback(lambda _: fallen.set())
        rising.result(10)
        falling.result(10)
    assert top(engine) == first_ten(engine) == [(second, 10)]
    assert stores.rows("SELECT rank FROM top_scores") == [(1,)]


def _payload(update: messages.Update) -> list[dict[str, object]]:
    return list(json.loads(update.payload))


def _settle(engine: sa.Engine, ids: list[ActionId], start: threading.Barrier) -> None:
    start.wait(10)
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, VETTING))


def _fall(engine: sa.Engine, user_id: UserId, start: threading.Barrier) -> None:
    """Take 25 points from a standing, as a correction does: in the order of locks, with the common tail."""

    def fall(conn: sa.Connection) -> None:
        conn.execute(
            sa.text("UPDATE standings SET score = greatest(0, score - 25), reached_at = now() WHERE user_id = :id"),
            {"id": user_id},
        )
        refresh_whole(conn, ONE_BOARD, [DEFAULT_BOARD])

    start.wait(10)
    in_transaction(engine, fall)


def test_action_completed_by_two_threads_is_awarded_once(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    for _ in range(20):
        asked = Start(ActionId(new_id()), alice, 0, "default", None, "{}")
        in_transaction(engine, lambda conn, asked=asked: actions.start(conn, [asked], max_open=1000))  # type: ignore[misc]
        end = End(asked.action_id, alice, 0, "completed", None)
        start = threading.Barrier(2)

        def complete(end: End = end, start: threading.Barrier = start) -> object:
            start.wait(10)
            return in_transaction(engine, lambda conn: actions.end(conn, [end], RULES))[0]

        with ThreadPoolExecutor(2) as pool:
            results = [pool.submit(complete) for _ in range(2)]
            kinds = sorted(type(result.result(10)).__name__ for result in results)
        assert kinds == ["ActionCompleted", "CompletedAction"]
    assert stores.value("SELECT total_score FROM users") == 200
    assert stores.value("SELECT sum(score) FROM actions") == 200


def test_batch_with_the_same_action_twice_awards_the_first(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    starts = [Start(ActionId(new_id()), alice, 0, "default", None, "{}") for _ in range(3)]
    in_transaction(engine, lambda conn: actions.start(conn, starts, max_open=1000))
    ends = [End(start.action_id, alice, 0, "completed", None) for start in (starts[0], starts[1], starts[0], starts[2])]

    results = in_transaction(engine, lambda conn: actions.end(conn, ends, RULES))

    totals = [getattr(result, "total_score", type(result).__name__) for result in results]
    assert totals == [10, 20, "ActionCompleted", 30]
    assert stores.value("SELECT total_score FROM users") == 30


def test_end_of_a_locked_action_is_unavailable_not_missing(engine: sa.Engine) -> None:
    held, free = started(engine, add_user(engine), add_user(engine))
    with engine.begin() as conn:
        conn.execute(sa.text("SELECT 1 FROM actions WHERE id = :id FOR UPDATE"), {"id": held.action_id})
        results = in_transaction(engine, lambda conn: actions.end(conn, [held, free], RULES, skip_locked=True))
    assert [type(result) for result in results] == [DatabaseUnavailable, CompletedAction]


@pytest.mark.parametrize("table", ["users", "actions"])
def test_run_ends_only_who_is_locked_is_told_to_come_again(engine: sa.Engine, stores: Stores, table: str) -> None:
    ends = started(engine, *[add_user(engine) for _ in range(5)])
    held = ends[2].user_id if table == "users" else ends[2].action_id
    url = stores.database_url.replace("postgresql://", "postgresql+psycopg2://")
    web = engines.connect(url, replace(engines.WEB, lock=0.1), pool_size=2, name="test")
    try:
        with engine.begin() as conn:
            conn.execute(sa.text(f"SELECT 1 FROM {table} WHERE id = :id FOR UPDATE"), {"id": held})
            results = run_ends(web, RULES, ends)
        assert [type(it) for it in results] == [
            DatabaseUnavailable if end is ends[2] else CompletedAction for end in ends
        ]
        assert isinstance(run_ends(web, RULES, [ends[2]])[0], CompletedAction), "once it is free"
    finally:
        web.dispose()
