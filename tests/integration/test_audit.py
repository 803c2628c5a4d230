"""What the worker audits every minute: what is cheap, and the sums of the next users, without an end to wait for."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.board import audit, settle
from app.board.publish import publish
from app.board.worker import Desk
from app.domain.ids import UserId
from db import boards, invariants, marks, outbox
from db.redis import AUDIT_CURSOR_KEY, Publisher, connect
from db.transaction import in_transaction
from telemetry import metrics
from tests.support.board import ALL_TIME, ONE_BOARD, RULES, VETTING, WHOLE, completed
from tests.support.clock import now
from tests.support.people import add_user
from tests.support.service import Stores, free_port


@pytest.fixture
def desk(stores: Stores) -> Desk:
    """A worker's resources, on this module's stores with nothing in them."""
    with stores.engine.begin() as conn:
        conn.execute(sa.text("TRUNCATE users, actions, standings, top_scores, audit_events, boards, marks CASCADE"))
        boards.ensure(conn, [WHOLE])
    stores.redis.flushall()
    return Desk(stores.engine, Publisher.on(stores.redis), ONE_BOARD, RULES, VETTING)


@pytest.fixture
def players(desk: Desk) -> list[UserId]:
    """Five players with ten points each, in the order of their ids."""
    players = [add_user(desk.engine) for _ in range(5)]
    ids = completed(desk.engine, *players)
    in_transaction(desk.engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, VETTING))
    publish(desk.engine, desk.publisher, ALL_TIME)
    return sorted(players)


def damage(desk: Desk, user_id: UserId) -> None:
    with desk.engine.begin() as conn:
        conn.execute(sa.text("UPDATE users SET total_score = total_score + 1 WHERE id = :id"), {"id": user_id})


def violations(name: str) -> float:
    return float(metrics.invariant_violations.labels(name)._value.get())


def watched(desk: Desk) -> float:
    """Audit once, and give the users whose totals were found wrong."""
    audit.watch(desk)
    return violations("total-scores")


def test_audit_checks_the_next_users_each_minute_in_turn(
    desk: Desk, players: list[UserId], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit, "USERS_A_MINUTE", 2)
    damage(desk, players[0])
    damage(desk, players[4])
    assert [watched(desk) for _ in range(6)] == [1, 0, 1] * 2
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["invariant.violated"] * 4


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_minute_has_many_users_some_at_once(
    at_once: int, desk: Desk, players: list[UserId], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "USERS_AT_ONCE", at_once)
    for player in players:
        damage(desk, player)
    assert watched(desk) == len(players)


@pytest.mark.parametrize("cursor", [b"nonsense", b"\xff", b"'; DROP TABLE users; --"])
def test_cursor_that_is_none_of_ours_begins_anew(desk: Desk, players: list[UserId], cursor: bytes) -> None:
    damage(desk, players[0])
    desk.publisher.client.set(AUDIT_CURSOR_KEY, cursor)
    assert watched(desk) == 1


def test_user_with_too_much_to_add_up_holds_up_no_other(
    desk: Desk, players: list[UserId], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong_totals = invariants.wrong_totals

    def slow_for_one(conn: sa.Connection, users: Sequence[UserId] | None = None) -> int:
        if users and players[1] in users:
            conn.execute(sa.text("SELECT pg_sleep(10)"))
        return wrong_totals(conn, users)

    monkeypatch.setattr(invariants, "wrong_totals", slow_for_one)
    monkeypatch.setattr(audit, "SUMS_FOR", 0.2)
    monkeypatch.setattr(audit, "USERS_FOR", 10.0)
    damage(desk, players[4])
    began = now()
    assert watched(desk) == 1
    assert now() - began < 9
    assert f"the sums of user {players[1]} take too long" in caplog.text


def test_audit_ends_after_a_moment_and_goes_on_there(
    desk: Desk, players: list[UserId], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "USERS_AT_ONCE", 1)
    monkeypatch.setattr(audit, "USERS_FOR", 0.0001)  # less than it takes to ask about one
    damage(desk, players[4])
    cursors = []
    for _ in players:
        audit.watch(desk)
        cursors.append(desk.publisher.client.get(AUDIT_CURSOR_KEY))
    assert cursors == [player.encode() for player in players]
    assert violations("total-scores") == 1


def test_audit_without_redis_checks_the_database(desk: Desk, players: list[UserId]) -> None:
    with desk.engine.begin() as conn:
        conn.execute(sa.text("UPDATE top_scores SET score = 99 WHERE rank = 1"))
    with connect(f"redis://127.0.0.1:{free_port()}/0", timeout=0.2) as nobody:
        audit.watch(replace(desk, publisher=Publisher.on(nobody)))
    assert violations("top-scores") == 1


def forged_key(desk: Desk) -> None:
    """Put a message into the key that has the board's stamp and other points."""
    stored = desk.publisher.client.get("top_scores:10")
    assert isinstance(stored, bytes)
    forged = stored.replace(b'"score":10', b'"score":99', 1)
    assert forged != stored
    desk.publisher.client.set("top_scores:10", forged)


def test_watch_finds_a_forged_key(desk: Desk, players: list[UserId], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "QUIET", 0.1)
    audit.watch(desk)
    assert (violations("published"), violations("versions")) == (0, 0)
    forged_key(desk)
    audit.watch(desk)
    assert (violations("published"), violations("versions")) == (1, 1)


def test_watch_finds_an_old_key(desk: Desk, players: list[UserId], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "QUIET", 0.1)
    with desk.engine.begin() as conn:
        conn.execute(sa.text("UPDATE boards SET version = version + 1"))
    audit.watch(desk)
    assert (violations("published"), violations("versions")) == (1, 0)


def unchecked(name: str) -> float:
    return float(metrics.invariant_unchecked.labels(name)._value.get())


def test_watch_lets_no_check_that_takes_too_long_hide_another(
    desk: Desk, players: list[UserId], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    damage(desk, players[0])
    with desk.engine.begin() as conn:
        conn.execute(sa.text("UPDATE top_scores SET score = 99 WHERE rank = 1"))

    def slow(conn: sa.Connection, *, hours: int) -> int:
        conn.execute(sa.text("SET LOCAL statement_timeout = 50"))
        return int(conn.execute(sa.text("SELECT 0 FROM pg_sleep(10)")).scalar_one())

    with monkeypatch.context() as slowed:
        slowed.setattr(invariants, "wrong_settlements", slow)
        audit.watch(desk)
    assert (unchecked("scored-once"), unchecked("top-scores"), unchecked("total-scores")) == (1, 0, 0)
    assert (violations("top-scores"), violations("total-scores")) == (1, 1)
    assert "scored-once could not be checked" in caplog.text
    audit.watch(desk)
    assert unchecked("scored-once") == 0


def test_watch_keeps_what_it_found_for_operators_who_ask(desk: Desk, players: list[UserId]) -> None:
    assert audit.last_result(desk.publisher) is None
    damage(desk, players[0])
    audit.watch(desk)
    found = audit.last_result(desk.publisher)
    assert found is not None
    checks, age = found
    assert 0 <= age < 5
    assert audit.Check("total-scores", 1) in checks
    assert {check.name for check in checks} == {
        *("scored-once", "top-scores", "ranks", "outbox", "published", "versions", "total-scores", "standings")
    }


def test_watch_searches_the_outbox_again_behind_the_mark(desk: Desk, players: list[UserId]) -> None:
    in_transaction(desk.engine, lambda conn: marks.advance(conn, marks.OUTBOX))
    with desk.engine.begin() as conn:
        conn.execute(sa.text("UPDATE actions SET settlement = 'pending', settled_at = NULL, start_at = '2020-01-01'"))
        conn.execute(sa.text("UPDATE actions SET end_at = '2020-01-02'"))
    assert in_transaction(desk.engine, lambda conn: outbox.overdue(conn, age=2, limit=10)) == []
    audit.watch(desk)
    assert violations("outbox") == len(players)
    assert len(in_transaction(desk.engine, lambda conn: outbox.overdue(conn, age=2, limit=10))) == len(players)
