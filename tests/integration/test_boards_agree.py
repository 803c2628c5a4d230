"""Board, rank, around, paging and a plain sort agree after every step of a machine; tests/simulation runs it longer."""

import tomllib
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from app.board import settle
from app.domain import board_rules
from db.transaction import in_transaction
from tests.support import done
from tests.support.board import VETTING
from tests.support.done import Done
from tests.support.league import League
from tests.support.people import add_user


def test_boards_agree_with_a_plain_sort_after_every_step(engine: sa.Engine) -> None:
    League(engine, seed=1).run(steps=20)


def test_same_value_once_more_comes_behind_those_who_had_it_before(engine: sa.Engine) -> None:
    """On a full board, whose rows tell scores but not when they were reached."""
    rules = board_rules.parse(tomllib.loads('[boards.all-time]\n[boards.b]\nof = "value"\nby = "latest"\ntop = 1'))
    alice, bob = add_user(engine), add_user(engine)
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    shown = []
    for minute, user_id in enumerate([alice, bob, alice]):
        ids = done.insert(engine, Done(user_id, noon + timedelta(minutes=minute), value=5))
        in_transaction(engine, lambda conn, it=ids: settle.settle(conn, rules, it, VETTING))  # type: ignore[misc]
        with engine.connect() as conn:
            shown.append(
                conn.execute(sa.text("SELECT user_id::text FROM top_scores WHERE board_id = 'b'")).scalar_one()
            )
    assert shown == [alice, alice, bob]
