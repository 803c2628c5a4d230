"""Scores beyond 32 and 53 bits: what JSON carries exactly is the bound; what would exceed it is refused, or held."""

import tomllib
from datetime import UTC, datetime
from functools import partial

import pytest
import sqlalchemy as sa

from app.board import correct, rebuild, worker
from app.board.worker import Desk
from app.domain import board_rules
from app.domain.board_rules import BoardRules
from app.domain.errors import ScoreOutOfRange
from app.domain.ids import ActionId, BoardId, UserId
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support import done
from tests.support.board import RULES, VETTING
from tests.support.corrections import OPERATOR
from tests.support.done import Done
from tests.support.keys import add_key, with_key
from tests.support.people import Player, add_user
from tests.support.service import Process, Stores, problem

LARGEST = 9_007_199_254_740_991
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def boards(by: str) -> BoardRules:
    return board_rules.parse(tomllib.loads(f'[boards.all-time]\n[boards.steps]\nof = "value"\nby = "{by}"'))


def set_total(stores: Stores, player: Player, total: int) -> None:
    stores.execute("UPDATE users SET total_score = :total WHERE id = :id", total=total, id=player.user_id)


@pytest.fixture
def rich(stores: Stores, alice: Player) -> Player:
    """A player to whose total one more action of the default type can't be added."""
    set_total(stores, alice, LARGEST - 9)
    return alice


def test_total_beyond_53_bits_is_refused_to_a_player(stores: Stores, rich: Player) -> None:
    action_id = rich.started()
    problem(rich.end(action_id), 409, "score-out-of-range")
    assert rich.http.get(f"/users/{rich.user_id}/actions/{action_id}").json()["status"] == "started"
    set_total(stores, rich, LARGEST - 10)
    answer = rich.end(action_id)
    assert answer.status_code == 200, answer.text
    assert '"totalScore":9007199254740991' in answer.text
    assert rich.http.get(f"/users/{rich.user_id}").json()["totalScore"] == LARGEST
    again = rich.started()
    problem(rich.end(again), 409, "score-out-of-range")
    assert rich.end(again, "cancelled").status_code == 200


def test_total_beyond_53_bits_is_refused_in_a_report_and_uses_no_key_up(
    web: Process, stores: Stores, rich: Player
) -> None:
    path, once = f"/users/{rich.user_id}/actions", {"Idempotency-Key": "once"}
    with with_key(web, add_key(stores, "actions")) as server:
        problem(server.post(path, json={"status": "completed"}, headers=once), 409, "score-out-of-range")
        assert stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=rich.user_id) == 0
        set_total(stores, rich, LARGEST - 10)
        answer = server.post(path, json={"status": "completed"}, headers=once)
    assert (answer.status_code, answer.json()["totalScore"]) == (201, LARGEST)


def test_total_beyond_53_bits_is_refused_to_an_operator(stores: Stores, rich: Player, operator: Player) -> None:
    def adjust(points: int) -> int:
        answer = operator.http.post(f"/admin/users/{rich.user_id}/adjust", json={"points": points, "reason": "a test"})
        if answer.status_code == 409:
            problem(answer, 409, "score-out-of-range")
        return answer.status_code

    assert adjust(10) == 409
    assert adjust(9) == 200
    assert stores.value("SELECT total_score FROM users WHERE id = :id", id=rich.user_id) == LARGEST
    (action_id,) = done.insert(stores.engine, Done(UserId(rich.user_id), NOON, points=1))
    stores.execute("UPDATE actions SET settlement = 'reversed', settled_at = now() WHERE id = :id", id=action_id)
    set_total(stores, rich, LARGEST)
    problem(operator.http.post(f"/admin/actions/{action_id}/release", json={}), 409, "score-out-of-range")
    assert rich.settlement(action_id) == "reversed"


@pytest.fixture
def publisher(stores: Stores) -> Publisher:
    return Publisher.on(stores.redis)


def settlements(engine: sa.Engine, ids: list[ActionId]) -> list[str]:
    with engine.connect() as conn:
        query = sa.text("SELECT settlement, attempts FROM actions WHERE id = :id")
        found = [conn.execute(query, {"id": action_id}).one() for action_id in ids]
    assert {attempts for _, attempts in found} == {0}
    return [settlement for settlement, _ in found]


def steps(engine: sa.Engine) -> dict[UserId, int]:
    with engine.connect() as conn:
        rows = conn.execute(sa.text("SELECT user_id::text, score FROM standings WHERE board_id = 'steps'"))
        return {UserId(user_id): score for user_id, score in rows}


@pytest.mark.parametrize("sign", [1, -1])
def test_sum_of_values_beyond_53_bits_is_held_and_holds_nothing_up(
    engine: sa.Engine, stores: Stores, publisher: Publisher, sign: int
) -> None:
    rules = boards("sum")
    alice, bob = add_user(engine), add_user(engine)
    settle = partial(worker.settle_and_publish, Desk(engine, publisher, rules, RULES, VETTING))
    walk = partial(Done, end_at=NOON, type="walk", points=1)
    first = done.insert(engine, walk(alice, value=sign * LARGEST), walk(bob, value=sign * 2**40))
    settle(first)
    batch = done.insert(engine, walk(bob, value=sign * 2**40), walk(alice, value=sign))
    settle(batch)
    batch += done.insert(engine, walk(alice, value=-sign))
    settle(batch)
    assert settlements(engine, [*first, *batch]) == ["cleared", "cleared", "cleared", "held", "cleared"]
    assert steps(engine) == {alice: sign * (LARGEST - 1), bob: sign * 2**41}
    held = "SELECT action_id::text, details->>'rule' FROM audit_events WHERE kind = 'held'"
    assert stores.rows(held) == [(batch[1], "out_of_range")]
    assert stores.rows("SELECT DISTINCT status FROM users") == [("active",)]

    def correct_(change: object, action_id: ActionId) -> None:
        in_transaction(engine, lambda conn: change(conn, rules, action_id, **OPERATOR))  # type: ignore[operator]

    correct_(correct.release, batch[1])
    assert steps(engine)[alice] == sign * LARGEST
    # Without what had brought it back into the range it would leave it.
    with pytest.raises(ScoreOutOfRange):
        correct_(correct.reverse, batch[2])
    correct_(correct.reverse, first[0])
    correct_(correct.reverse, batch[2])
    assert steps(engine)[alice] == sign
    with pytest.raises(ScoreOutOfRange):
        correct_(correct.release, first[0])
    assert settlements(engine, [first[0], batch[2]]) == ["reversed", "reversed"]


def test_board_whose_changed_rules_would_exceed_53_bits_is_not_rebuilt(engine: sa.Engine, publisher: Publisher) -> None:
    alice = add_user(engine)
    ids = done.insert(engine, *(Done(alice, NOON, value=LARGEST) for _ in range(2)))
    worker.settle_and_publish(Desk(engine, publisher, boards("best"), RULES, VETTING), ids)
    assert steps(engine) == {alice: LARGEST}
    with pytest.raises(ScoreOutOfRange, match="exactly"):
        in_transaction(engine, lambda conn: rebuild.rebuild(conn, boards("sum"), BoardId("steps")))
    assert steps(engine) == {alice: LARGEST}
