"""The checker that all faults rely on: it has to notice whatever can go wrong with a history."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.domain.ids import ActionId, new_id
from tests.faults.history import Operation, Outcome, check
from tests.support.board import completed
from tests.support.people import add_user
from tests.support.service import Stores


@pytest.fixture
def history(stores: Stores) -> list[Operation]:
    """Three completions of one player that were acknowledged, in a database with nothing else in it."""
    with stores.engine.begin() as conn:
        conn.execute(sa.text("TRUNCATE users, actions CASCADE"))
    player = add_user(stores.engine)
    ids = completed(stores.engine, player, player, player)
    return [Operation(action_id, player, "ok", 200, 10, 0.0, 0.1) for action_id in ids]


def found_wrong(stores: Stores, history: list[Operation]) -> str:
    with pytest.raises(AssertionError) as error:
        check(stores, history)
    return str(error.value)


def test_history_that_the_database_agrees_with_is_right(stores: Stores, history: list[Operation]) -> None:
    check(stores, history)
    for status in (None, 503):
        check(stores, [*history[:2], replace(history[2], outcome="unknown", status=status, score=None)])
    never_done: Outcome
    for never_done in ("failed", "unknown"):
        check(stores, [*history, replace(history[0], action_id=ActionId(new_id()), outcome=never_done, score=None)])


def test_acknowledged_completion_that_is_not_there_is_lost(stores: Stores, history: list[Operation]) -> None:
    lost = replace(history[0], action_id=ActionId(new_id()))
    assert "1 acknowledged completions are not in the database" in found_wrong(stores, [*history, lost])


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE actions SET status = 'started', end_at = NULL, score = NULL, settlement = NULL WHERE id = :id",
        "UPDATE actions SET status = 'cancelled', score = NULL, settlement = NULL WHERE id = :id",
        "UPDATE actions SET score = 20 WHERE id = :id",
    ],
    ids=["undone", "cancelled", "another-score"],
)
def test_acknowledged_completion_recorded_otherwise_is_lost(
    damage: str, stores: Stores, history: list[Operation]
) -> None:
    stores.execute(damage, id=history[1].action_id)
    assert history[1].action_id in found_wrong(stores, history)


def test_refused_completion_that_was_done_is_noticed(stores: Stores, history: list[Operation]) -> None:
    refused = replace(history[0], outcome="failed", status=409, score=None)
    assert "refused, and yet completed" in found_wrong(stores, [refused, *history[1:]])


def test_completion_that_a_failed_test_asked_for_is_no_wonder(
    stores: Stores, history: list[Operation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in nobody's history: the test failed before it gave its own."""
    monkeypatch.setattr("tests.faults.history.ASKED", {history[0].action_id})
    check(stores, history[1:])


def test_completion_that_nobody_asked_for_is_noticed(stores: Stores, history: list[Operation]) -> None:
    assert "1 completed, though nobody asked" in found_wrong(stores, history[1:])


@pytest.mark.parametrize("total", [20, 40], ids=["too-little", "twice"])
def test_total_that_is_not_what_the_actions_scored_is_noticed(
    total: int, stores: Stores, history: list[Operation]
) -> None:
    stores.execute("UPDATE users SET total_score = :total", total=total)
    assert "another total than what their actions scored" in found_wrong(stores, history)
