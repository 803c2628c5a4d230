"""Locks are taken in one order: users, actions, standings, boards; each by id.

PostgreSQL tries a deadlock's victim again, so that a wrong order would show under load alone. Here a test holds the
lock that is due first: whoever waits for it must hold none of those that are due later.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from app import actions
from app.board import correct, settle
from app.domain import counting
from app.domain.actions import End, Start
from app.domain.ids import ActionId, UserId, new_id
from db import actions as rows
from db import standings
from db.transaction import in_transaction
from tests.support.board import ONE_BOARD, VETTING, completed
from tests.support.people import add_user, insert_user
from tests.support.service import eventually


@pytest.fixture
def pair(engine: sa.Engine) -> tuple[UserId, UserId]:
    """Two users in the order of their ids; their rows lie in the other one."""
    first, second = UserId(new_id()), UserId(new_id())
    for user_id in (second, first):
        with engine.begin() as conn:
            insert_user(conn, user_id[-12:], user_id)
    return first, second


@contextmanager
def waiting(engine: sa.Engine, held: str, work: Callable[[sa.Connection], object]) -> Iterator[None]:
    """Hold a lock, and have `work` wait for it in another transaction; afterwards it goes on to its end."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            in_transaction(engine, work)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    with engine.begin() as conn:
        conn.execute(sa.text(held))
        thread.start()
        try:
            eventually(lambda: _waits(engine), within=4, what="the wait for a lock")
            yield
        finally:
            conn.rollback()
            thread.join(10)
    assert errors == []


def _waits(engine: sa.Engine) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with engine.connect() as conn:
        return bool(conn.execute(sa.text(query)).scalar_one())


def free(engine: sa.Engine, table: str, condition: str) -> bool:
    """Return whether nobody holds these rows."""
    with engine.connect() as conn:
        found = conn.execute(sa.text(f"SELECT 1 FROM {table} WHERE {condition} FOR UPDATE SKIP LOCKED")).all()
    return len(found) == 1


def started(engine: sa.Engine, *user_ids: UserId) -> list[End]:
    """Start an action for each of the users, and return what completes it."""
    starts = [Start(ActionId(new_id()), user_id, 0, "default", None, "{}") for user_id in user_ids]
    in_transaction(engine, lambda conn: actions.start(conn, starts, max_open=1000))
    return [End(start.action_id, start.user_id, 0, "completed", None) for start in starts]


def test_lock_with_users_locks_users_by_id(engine: sa.Engine, pair: tuple[UserId, UserId]) -> None:
    first, second = pair
    ends = started(engine, second, first)
    held = f"SELECT 1 FROM users WHERE id = '{first}' FOR UPDATE"
    with waiting(engine, held, lambda conn: rows.lock_with_users(conn, ends, skip_locked=False)):
        assert free(engine, "users", f"id = '{second}'")


def test_lock_with_users_locks_users_before_actions(engine: sa.Engine) -> None:
    (end,) = started(engine, add_user(engine))
    held = f"SELECT 1 FROM users WHERE id = '{end.user_id}' FOR UPDATE"
    with waiting(engine, held, lambda conn: rows.lock_with_users(conn, [end], skip_locked=False)):
        assert free(engine, "actions", f"id = '{end.action_id}'")


def test_lock_with_users_holds_off_no_start(engine: sa.Engine) -> None:
    (end,) = started(engine, add_user(engine))
    start = Start(ActionId(new_id()), end.user_id, 0, "default", None, "{}")
    with engine.begin() as conn:
        rows.lock_with_users(conn, [end], skip_locked=False)
        with engine.begin() as other:
            # An insert that references a user takes a lock on it, which only FOR UPDATE would keep it from.
            other.execute(sa.text("SET LOCAL lock_timeout = 100"))
            actions.start(other, [start], max_open=1000)


def test_raise_scores_writes_standings_by_user(engine: sa.Engine, pair: tuple[UserId, UserId]) -> None:
    first, second = pair
    with engine.begin() as conn:
        now = conn.execute(sa.text("SELECT now()")).scalar_one()
        earned = [it for user_id in (second, first) for it in counting.adjusted(ONE_BOARD, user_id, 1, now)]
        standings.raise_scores_with_next(conn, earned)
    held = f"SELECT 1 FROM standings WHERE user_id = '{first}' FOR UPDATE"

    def work(conn: sa.Connection) -> None:
        standings.raise_scores_with_next(conn, earned)
        conn.execute(sa.text("SELECT 1"))  # what is sent later goes along

    with waiting(engine, held, work):
        assert free(engine, "standings", f"user_id = '{second}'")


def test_lock_of_standings_waits_for_a_rebuild_before_it_holds_a_row(engine: sa.Engine) -> None:
    alice = add_user(engine)
    ids = completed(engine, alice)
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, VETTING))
    held = "LOCK TABLE standings IN SHARE ROW EXCLUSIVE MODE"
    with waiting(engine, held, lambda conn: standings.lock(conn, ONE_BOARD, [alice])):
        assert free(engine, "standings", f"user_id = '{alice}'")


@pytest.mark.parametrize("change", [correct.reverse, correct.release])
def test_correct_locks_the_user_before_the_action(engine: sa.Engine, change: Callable[..., object]) -> None:
    alice = add_user(engine)
    (action_id,) = completed(engine, alice)
    in_transaction(engine, lambda conn: settle.set_aside(conn, ONE_BOARD, action_id))
    held = f"SELECT 1 FROM users WHERE id = '{alice}' FOR UPDATE"
    with waiting(engine, held, lambda conn: change(conn, ONE_BOARD, action_id, actor="shell", reason="a test")):
        assert free(engine, "actions", f"id = '{action_id}'")


def test_settle_locks_the_action_before_the_board(engine: sa.Engine) -> None:
    (action_id,) = completed(engine, add_user(engine))
    held = "SELECT 1 FROM boards FOR UPDATE"
    with waiting(engine, held, lambda conn: settle.settle(conn, ONE_BOARD, [action_id], VETTING)):
        assert not free(engine, "actions", f"id = '{action_id}'")
