"""Standings of users who are not active are marked as hidden, whoever changes the status."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app.board import correct, erase, rebuild, settle
from app.domain.ids import DEFAULT_BOARD, UserId
from db import standings, users
from db.transaction import in_transaction
from tests.support.board import ONE_BOARD, VETTING, completed, top
from tests.support.corrections import OPERATOR, violations
from tests.support.people import add_user
from tests.support.service import Stores, eventually

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def scored(engine: sa.Engine, *user_ids: UserId) -> None:
    ids = completed(engine, *user_ids)
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, VETTING))


def hidden(engine: sa.Engine) -> set[str]:
    with engine.connect() as conn:
        return set(conn.execute(sa.text("SELECT user_id::text FROM standings WHERE hidden")).scalars())


def rank(engine: sa.Engine, user_id: UserId) -> int | None:
    profile = in_transaction(engine, lambda conn: users.profile(conn, user_id, DEFAULT_BOARD))
    assert profile
    return profile.rank


def test_hidden_follows_every_change_of_a_status(engine: sa.Engine) -> None:
    alice, bob, carol = (add_user(engine) for _ in range(3))
    for player in (alice, bob, carol):
        scored(engine, player)
    assert hidden(engine) == set()
    in_transaction(engine, lambda conn: correct.suspend(conn, ONE_BOARD, alice, **OPERATOR))
    in_transaction(engine, lambda conn: erase.erase(conn, ONE_BOARD, bob, actor="carl", reason=None))
    assert hidden(engine) == {alice, bob}
    assert [user_id for user_id, _ in top(engine)] == [carol]
    assert [rank(engine, player) for player in (alice, carol)] == [None, 1]

    # As a process of an older release would, or an operator by psql.
    with engine.begin() as conn:
        conn.execute(sa.text("UPDATE users SET status = 'active' WHERE id = :id"), {"id": alice})
    assert hidden(engine) == {bob}
    in_transaction(engine, lambda conn: rebuild.rebuild(conn, ONE_BOARD, DEFAULT_BOARD))
    assert [user_id for user_id, _ in top(engine)] == [alice, carol]
    assert violations(engine) == {}


def test_hidden_is_set_for_a_standing_begun_suspended(engine: sa.Engine) -> None:
    alice, bob, carol = (add_user(engine) for _ in range(3))
    (action_id,) = completed(engine, alice)
    in_transaction(engine, lambda conn: correct.suspend(conn, ONE_BOARD, alice, **OPERATOR))
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, [action_id], VETTING))
    scored(engine, bob)
    scored(engine, carol)
    assert hidden(engine) == {alice}
    assert [rank(engine, player) for player in (alice, bob, carol)] == [None, 1, 2]
    own = in_transaction(engine, lambda conn: standings.own(conn, DEFAULT_BOARD, [alice, bob, carol]))
    assert {it.user_id: it.rank for it in own} == {alice: None, bob: 1, carol: 2}
    in_transaction(engine, lambda conn: correct.reinstate(conn, ONE_BOARD, alice, **OPERATOR))
    assert hidden(engine) == set()
    assert violations(engine) == {}


@pytest.mark.parametrize("first", ["suspends", "settles"])
def test_hidden_is_set_when_a_first_standing_and_a_suspension_meet(
    engine: sa.Engine, stores: Stores, first: str
) -> None:
    alice = add_user(engine)
    (action_id,) = completed(engine, alice)

    def suspend(conn: sa.Connection) -> None:
        correct.suspend(conn, ONE_BOARD, alice, **OPERATOR)

    def begin(conn: sa.Connection) -> None:
        settle.settle(conn, ONE_BOARD, [action_id], VETTING)

    one, other = (suspend, begin) if first == "suspends" else (begin, suspend)
    with ThreadPoolExecutor(1) as pool, engine.connect() as conn:
        one(conn)
        conn.execute(sa.text("SELECT 1"))
        later = pool.submit(in_transaction, engine, other)
        eventually(lambda: stores.value(WAITING) == 1, what="that the other waits for the board")
        conn.commit()
        later.result(10)
    assert hidden(engine) == {alice}
    assert rank(engine, alice) is None
    assert top(engine) == []
    assert violations(engine) == {}
