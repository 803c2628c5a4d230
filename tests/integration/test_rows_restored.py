"""A prepared statement waits while a restoration puts all rows anew: it finds them, and nobody is signed out."""

import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from app import actions, posts
from app.domain.actions import Action, End, Start
from app.domain.errors import Unauthorized
from app.domain.idempotency import Idempotency
from app.domain.ids import ActionId, UserId, new_id
from app.domain.posts import Post, Recorded
from db import engine as engines
from db.transaction import in_transaction
from tests.support.board import RULES
from tests.support.people import add_user
from tests.support.service import eventually

ADDRESS = "192.0.2.1"
TABLES = ("users", "actions")

Ask = Callable[[sa.Engine, UserId, ActionId | None], object]
"""Asks for something by a player who has an open action, or not."""


@pytest.fixture
def hot(engine: sa.Engine) -> Iterator[sa.Engine]:
    """An engine that prepares, whose one connection has prepared all that is asked here."""
    made = engines.connect(engine.url.render_as_string(False), engines.WEB, pool_size=1, name="waits", prepares=True)
    player = add_user(made)
    action_id = opened(made, player)
    for ask in (start, end, post):
        ask(made, player, action_id)
    yield made
    made.dispose()


def opened(engine: sa.Engine, player: UserId) -> ActionId:
    answer = start(engine, player, None)
    assert isinstance(answer, Action)
    return answer.action_id


def start(engine: sa.Engine, player: UserId, open_one: ActionId | None) -> object:
    asked = Start(ActionId(new_id()), player, 0, "default", ADDRESS, "{}")
    [answer] = in_transaction(engine, lambda conn: actions.start(conn, [asked], max_open=10))
    return answer


def end(engine: sa.Engine, player: UserId, open_one: ActionId | None) -> object:
    [answer] = actions.run_ends(engine, RULES, [End(open_one or ActionId(new_id()), player, 0, "cancelled", ADDRESS)])
    return answer


def post(engine: sa.Engine, player: UserId, open_one: ActionId | None) -> object:
    key = Idempotency(player, "key", "00" * 32)
    asked = Post(ActionId(new_id()), player, 0, "started", "default", ADDRESS, "{}", idempotency=key)
    [answer] = posts.run_posts(engine, RULES, [asked])
    return answer.action if isinstance(answer, Recorded) else answer


@pytest.fixture(params=[start, end, post])
def ask(request: pytest.FixtureRequest) -> Ask:
    asked: Ask = request.param
    return asked


def test_rows_that_came_back_while_a_statement_waited_are_found(ask: Ask, hot: sa.Engine, engine: sa.Engine) -> None:
    player = add_user(engine)
    open_one = opened(engine, player)
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(ask(hot, player, open_one)))
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'EXECUTE'")
    with engine.begin() as conn:
        for statement in (
            "SET LOCAL session_replication_role = replica",
            *(f"LOCK TABLE {it}" for it in TABLES),
            *(f"CREATE TEMPORARY TABLE kept_{it} ON COMMIT DROP AS SELECT * FROM {it}" for it in TABLES),
            *(f"TRUNCATE {it} CASCADE" for it in TABLES),
            *(f"INSERT INTO {it} SELECT * FROM kept_{it}" for it in TABLES),
        ):
            conn.exec_driver_sql(statement)
        asking.start()
        with engine.connect() as other:
            eventually(lambda: other.execute(waiting).scalar_one() > 0, what="a statement that waits")
    asking.join(10)
    assert isinstance(answers[0], Action), answers
    assert answers[0].user_id == player


def test_one_who_is_nowhere_is_told_so(ask: Ask, hot: sa.Engine) -> None:
    assert isinstance(ask(hot, UserId(new_id()), None), Unauthorized)
