"""The fraud rules on real histories: facts come from the database, verdicts hold actions back, too many suspend."""

from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import sqlalchemy as sa

from app.board import correct, settle, sweep, vetting, worker
from app.board.publish import read
from app.board.vetting import Vetting
from app.board.worker import Desk
from app.domain import fraud
from app.domain.board_rules import BoardRules
from app.domain.fraud import FraudRules
from app.domain.ids import ActionId, UserId, new_id
from db import fraud_facts, outbox
from db.redis import Publisher
from db.transaction import TimedOut, in_transaction
from tests.support.board import ALL_TIME, ONE_BOARD, RULES, top
from tests.support.people import add_user
from tests.support.service import Stores

VELOCITY: dict[str, Any] = {"velocity": {"completions_per_minute": 3}}
BURST: dict[str, Any] = {"burst": {"points_per_minute": 100, "robust_z": 7.0, "min_history": 5}}
SHARED: dict[str, Any] = {"shared_ip": {"accounts": 3, "completions_per_minute": 4}}
SUSPEND: dict[str, Any] = {"suspend": {"held_in_24h": 2}}


def by(rules: dict[str, Any], *trusted: str) -> Vetting:
    return Vetting(fraud.parse(rules), default_award=10, trusted_networks=tuple(ip_network(it) for it in trusted))


def done(engine: sa.Engine, user_id: UserId, ago: float, *, score: int = 10, ip: str = "192.0.2.1") -> ActionId:
    """Put a completed action into the database, that ended so many seconds ago."""
    action_id = ActionId(new_id())
    with engine.begin() as conn:
        conn.execute(
            sa.text("""
                INSERT INTO actions (id, user_id, type, status, start_at, end_at, score, client_ip, settlement)
                VALUES (:id, :user, 'default', 'completed', now() - make_interval(secs => :ago),
                    now() - make_interval(secs => :ago), :score, :ip, 'pending')
            """),
            {"id": action_id, "user": user_id, "ago": ago, "score": score, "ip": ip},
        )
        add = sa.text("UPDATE users SET total_score = total_score + :score WHERE id = :id")
        conn.execute(add, {"score": score, "id": user_id})
    return action_id


def settled(engine: sa.Engine, ids: list[ActionId], rules: Vetting) -> list[str]:
    """Settle, and give each action's settlement."""
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, rules))
    with engine.connect() as conn:
        rows = conn.execute(sa.text("SELECT id::text, settlement FROM actions"))
        found = {action_id: settlement for action_id, settlement in rows}
    return [found[action_id] for action_id in ids]


def test_completions_beyond_the_minutes_number_are_held_unseen(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    ids = [done(engine, alice, ago) for ago in (59, 40, 20, 10, 5)]
    other = done(engine, bob, 5)
    assert settled(engine, [*ids, other], by(VELOCITY)) == ["cleared"] * 3 + ["held"] * 2 + ["cleared"]
    assert top(engine) == [(alice, 30), (bob, 10)]
    assert stores.rows("SELECT kind, action_id::text, reason, details FROM audit_events ORDER BY id") == [
        (
            "held",
            action_id,
            f"{count} completions in 60 s, more than 3.",
            {"rule": "velocity", "facts": {"completions": count, "limit": 3}},
        )
        for action_id, count in zip(ids[3:], (4, 5), strict=True)
    ]


def test_window_is_the_minute_that_ends_with_the_action(engine: sa.Engine) -> None:
    alice = add_user(engine)
    ids = [done(engine, alice, ago) for ago in (200, 190, 180, 100, 39.9, 20)]
    assert settled(engine, list(reversed(ids)), by(VELOCITY)) == ["cleared"] * 6


def test_windows_leave_out_what_ended_a_whole_minute_before(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    before, judged = done(engine, alice, 60), done(engine, alice, 0)
    stores.execute(
        "UPDATE actions SET end_at = (SELECT end_at - interval '60 s' FROM actions WHERE id = :judged)"
        " WHERE id = :before",
        before=before,
        judged=judged,
    )
    with engine.begin() as conn:
        (facts,) = outbox.claim(conn, [judged])
    assert (facts.completions, facts.window_points) == (1, 10)


def test_points_over_the_cap_are_held_held_ones_counted(engine: sa.Engine) -> None:
    alice = add_user(engine)
    ids = [done(engine, alice, ago, score=60) for ago in (30, 20, 10)]
    assert [settled(engine, [it], by(BURST))[0] for it in ids] == ["cleared", "held", "held"]


def test_minute_far_out_of_the_players_own_history_is_held(engine: sa.Engine) -> None:
    steady, newcomer, strong = add_user(engine), add_user(engine), add_user(engine)
    for minute in range(1, 9):
        done(engine, steady, 60 * minute + 1, score=10)
        done(engine, strong, 60 * minute + 1, score=90)
    for minute in range(1, 3):
        done(engine, newcomer, 60 * minute + 1, score=10)
    ids = [done(engine, user_id, 0, score=95) for user_id in (steady, newcomer, strong)]
    assert settled(engine, ids, by(BURST)) == ["held", "cleared", "cleared"]


def test_history_is_the_last_completions_before_the_minute(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fraud_facts, "HISTORY", 6)
    alice = add_user(engine)
    for minute, score in ((9, 1), (8, 2), (7, 4), (6, 0), (5, 8), (4, 16), (3, 32)):
        done(engine, alice, 60 * minute, score=score)
    done(engine, alice, 59, score=64)
    judged = done(engine, alice, 0, score=128)
    with engine.begin() as conn:
        (facts,) = outbox.claim(conn, [judged])
        found = fraud_facts.minutes(conn, [facts])
    # Neither the first one, nor the minute without points, nor what belongs to the minute that ends with the action.
    assert sorted(found[judged]) == [2, 4, 8, 16, 32]


def test_accounts_behind_one_untrusted_address_are_held_together(engine: sa.Engine) -> None:
    players = [add_user(engine) for _ in range(3)]
    ids = [done(engine, players[i % 3], 10 - i, ip="203.0.113.7") for i in range(6)]
    lone = [done(engine, players[0], 10 - i, ip="203.0.113.8") for i in range(6)]
    assert settled(engine, ids + lone, by(SHARED, "203.0.113.7/32")) == ["cleared"] * 12
    with engine.begin() as conn:
        conn.execute(sa.text("UPDATE actions SET settlement = 'pending', settled_at = NULL"))
        conn.execute(sa.text("DELETE FROM standings"))
    assert settled(engine, ids + lone, by(SHARED)) == ["cleared"] * 4 + ["held"] * 2 + ["cleared"] * 6


def test_ipv6_client_is_its_64(engine: sa.Engine) -> None:
    players = [add_user(engine) for _ in range(3)]
    ids = [done(engine, players[i % 3], 10 - i, ip=f"2001:db8:1:2:{i}::{i}") for i in range(6)]
    assert settled(engine, ids, by(SHARED)) == ["cleared"] * 4 + ["held"] * 2
    neighbour = done(engine, players[0], 0, ip="2001:db8:1:3::1")
    assert settled(engine, [neighbour], by(SHARED)) == ["cleared"]


def test_held_actions_suspend_and_a_release_restarts_the_count(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    rules = by({"velocity": {"completions_per_minute": 0}, **SUSPEND})
    first = done(engine, alice, 300)
    settled(engine, [first, done(engine, bob, 300)], rules)
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == []
    in_transaction(engine, lambda conn: correct.release(conn, ONE_BOARD, first, actor="shell", reason=None))
    settled(engine, [done(engine, alice, 200)], rules)
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == []  # one of the two was released
    settled(engine, [done(engine, alice, 100)], rules)
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == [alice]
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == []
    assert top(engine) == []
    assert stores.rows("SELECT user_id::text, actor, reason FROM audit_events WHERE kind = 'suspended'") == [
        (alice, "system", "2 held actions in 24 hours.")
    ]
    in_transaction(engine, lambda conn: correct.reinstate(conn, ONE_BOARD, alice, actor="shell", reason=None))
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == []


def test_suspending_one_who_is_in_use_holds_up_no_other(
    engine: sa.Engine, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = sorted([add_user(engine), add_user(engine)])
    rules = by({"velocity": {"completions_per_minute": 0}, **SUSPEND})
    settled(engine, [done(engine, user_id, ago) for user_id in (alice, bob) for ago in (300, 200)], rules)
    suspend = correct.suspend

    def held(conn: sa.Connection, rules: BoardRules, user_id: UserId, *, actor: str, reason: str) -> None:
        if user_id == alice:
            raise TimedOut("somebody is in the way")
        suspend(conn, rules, user_id, actor=actor, reason=reason)

    with monkeypatch.context() as busy:
        busy.setattr(correct, "suspend", held)
        assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == [bob]
    assert stores.rows("SELECT name FROM marks WHERE name = 'held'") == []  # alice is to be looked at again
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == [alice]


def test_suspending_looks_at_a_long_day_of_held_actions_in_parts(
    engine: sa.Engine, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are due, one look takes a moment, and those after it come to the others."""
    players = [add_user(engine) for _ in range(3)]
    rules = by({"velocity": {"completions_per_minute": 0}, **SUSPEND})
    for ago, user_id in enumerate(players):
        settled(engine, [done(engine, user_id, 300), done(engine, user_id, 200)], rules)
        stores.execute(
            "UPDATE audit_events SET at = now() - make_interval(hours => :hours, secs => -id) WHERE user_id = :user",
            hours=9 - ago,
            user=user_id,
        )
    monkeypatch.setattr(fraud_facts.due_for_suspension, "__kwdefaults__", {"limit": 2})
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == [players[0]]
    monkeypatch.setattr(vetting, "SUSPEND_FOR", -1.0)
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == []
    monkeypatch.setattr(vetting, "SUSPEND_FOR", 0.5)
    found = [user_id for _ in range(6) for user_id in vetting.suspend_whom_due(engine, ONE_BOARD, rules)]
    assert found == players[1:]


def test_suspending_counts_what_was_held_within_24_hours(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    rules = by({"velocity": {"completions_per_minute": 0}, **SUSPEND})
    settled(engine, [done(engine, alice, 300)], rules)
    stores.execute("UPDATE audit_events SET at = at - interval '25 hours'")
    settled(engine, [done(engine, alice, 200)], rules)
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == []
    stores.execute("UPDATE audit_events SET at = at + interval '2 hours' WHERE at < now() - interval '24 hours'")
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == [alice]


@pytest.mark.parametrize("died", [False, True], ids=["settling", "sweep, after the settling one died"])
def test_worker_suspends_whom_it_held_too_often(engine: sa.Engine, stores: Stores, died: bool) -> None:
    alice, bob = add_user(engine), add_user(engine)
    settled(engine, [done(engine, alice, 300), done(engine, bob, 300)], by({}))
    assert top(engine) == [(alice, 10), (bob, 10)]
    rules = by({"velocity": {"completions_per_minute": 0}, **SUSPEND})
    desk = Desk(engine, Publisher.on(stores.redis), ONE_BOARD, RULES, rules)
    ids = [done(engine, alice, 200), done(engine, alice, 100)]
    if died:
        settled(engine, ids, rules)
        sweep.run_duties(desk)
        sweep.run_duties(desk)  # a board that changed behind the publishing is published by the next one
    else:
        worker.settle_and_publish(desk, ids)
    assert stores.rows("SELECT id::text FROM users WHERE status = 'suspended'") == [(alice,)]
    assert top(engine) == [(bob, 10)]
    assert stores.redis.get("top_scores:10") == read(engine, ALL_TIME).text.encode()


def test_shared_address_never_suspends(engine: sa.Engine) -> None:
    players = [add_user(engine) for _ in range(3)]
    rules = by({**SHARED, **SUSPEND})
    settled(engine, [done(engine, players[i % 3], 30 - i) for i in range(20)], rules)
    assert vetting.suspend_whom_due(engine, ONE_BOARD, rules) == []


def test_vetting_without_rules_clears_everything(engine: sa.Engine) -> None:
    alice = add_user(engine)
    ids = [done(engine, alice, 1, score=10_000) for _ in range(60)]
    switched_off = {name: {**section, "enabled": False} for name, section in {**VELOCITY, **BURST}.items()}
    assert set(settled(engine, ids[:30], Vetting(FraudRules(), 10))) == {"cleared"}
    assert set(settled(engine, ids[30:], by(switched_off))) == {"cleared"}


def test_moments_of_a_reversal_are_those_of_the_actions(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    ids = [done(engine, alice, ago) for ago in (50, 5)]
    settled(engine, ids, by({}))
    in_transaction(engine, lambda conn: correct.reverse(conn, ONE_BOARD, ids[1], actor="shell", reason="a test"))
    reached: datetime = stores.value("SELECT reached_at FROM standings")
    assert reached == stores.value("SELECT end_at FROM actions WHERE id = :id", id=ids[0])
    assert stores.value("SELECT now()") - reached > timedelta(seconds=49)


def test_settle_suspends_whom_it_has_just_held(
    engine: sa.Engine, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a flood of cheats the look from the mark takes the oldest events first, and comes to the newest late."""
    alice = add_user(engine)
    rules = by({"velocity": {"completions_per_minute": 0}, **SUSPEND})
    ids = [done(engine, alice, 200), done(engine, alice, 100)]

    def nobody(*_: object, **__: object) -> tuple[dict[UserId, int], None]:
        return {}, None

    monkeypatch.setattr(fraud_facts, "due_for_suspension", nobody)
    worker.settle_and_publish(Desk(engine, Publisher.on(stores.redis), ONE_BOARD, RULES, rules), ids)
    assert stores.rows("SELECT id::text FROM users WHERE status = 'suspended'") == [(alice,)]
