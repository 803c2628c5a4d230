"""Release, reverse, suspend, reinstate, adjust: the ranks close at once, and undoing restores the board exactly."""

import pytest
import sqlalchemy as sa

from app.board import audit, correct, rebuild, settle
from app.domain import counting
from app.domain.errors import NotFound
from app.domain.ids import DEFAULT_BOARD, ActionId, UserId, new_id
from db import invariants, standings, users
from db.transaction import in_transaction
from tests.support.board import ONE_BOARD, VETTING, completed, first_ten, top
from tests.support.corrections import OPERATOR, change_at_once, violations
from tests.support.people import add_user
from tests.support.service import Stores


def scored(engine: sa.Engine, user_id: UserId, times: int = 1) -> list[ActionId]:
    """Complete and settle actions of a user."""
    ids = [completed(engine, user_id)[0] for _ in range(times)]
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, VETTING))
    return ids


def test_number_eleven_moves_up_on_a_reversal_down_on_a_release(engine: sa.Engine) -> None:
    players = [add_user(engine) for _ in range(11)]
    ids = [scored(engine, player)[0] for player in players]
    before = top(engine)
    assert [user_id for user_id, _ in before] == players[:10]

    action = in_transaction(engine, lambda conn: correct.reverse(conn, ONE_BOARD, ids[3], **OPERATOR))
    assert action.settlement == "reversed"
    assert [user_id for user_id, _ in top(engine)] == [*players[:3], *players[4:]]
    assert violations(engine) == {}

    action = in_transaction(engine, lambda conn: correct.release(conn, ONE_BOARD, ids[3], **OPERATOR))
    assert action.settlement == "cleared"
    assert top(engine) == before
    assert violations(engine) == {}


def test_suspending_closes_the_ranks_and_reinstating_undoes_it(engine: sa.Engine) -> None:
    players = [add_user(engine) for _ in range(12)]
    for player in players:
        scored(engine, player)
    before = top(engine)
    in_transaction(engine, lambda conn: correct.suspend(conn, ONE_BOARD, players[0], **OPERATOR))
    assert [user_id for user_id, _ in top(engine)] == players[1:11]
    in_transaction(engine, lambda conn: correct.reinstate(conn, ONE_BOARD, players[0], **OPERATOR))
    assert top(engine) == before
    assert violations(engine) == {}


def test_hiding_closes_the_ranks_and_points_count_on(engine: sa.Engine) -> None:
    players = [add_user(engine) for _ in range(12)]
    for player in players:
        scored(engine, player)
    hidden = players[0]
    in_transaction(engine, lambda conn: correct.hide(conn, ONE_BOARD, hidden, **OPERATOR))
    assert [user_id for user_id, _ in top(engine)] == players[1:11]
    scored(engine, hidden, 2)
    in_transaction(engine, lambda conn: rebuild.rebuild(conn, ONE_BOARD, DEFAULT_BOARD))
    with engine.connect() as conn:
        own = {it.user_id: (it.total_score, it.score, it.rank) for it in standings.own(conn, DEFAULT_BOARD, players)}
        ranks = [profile.rank for it in players if (profile := users.profile(conn, it, DEFAULT_BOARD))]
    assert own[hidden] == (30, 30, None)
    assert [own[it][2] for it in players] == ranks == [None, *range(1, 12)]
    assert violations(engine) == {}
    in_transaction(engine, lambda conn: correct.suspend(conn, ONE_BOARD, hidden, **OPERATOR))
    in_transaction(engine, lambda conn: correct.reinstate(conn, ONE_BOARD, hidden, **OPERATOR))
    assert hidden not in dict(top(engine))

    in_transaction(engine, lambda conn: correct.show(conn, ONE_BOARD, hidden, **OPERATOR))
    assert top(engine) == [(hidden, 30), *((it, 10) for it in players[1:10])]
    assert violations(engine) == {}


def test_points_settled_while_suspended_count_once_reinstated(engine: sa.Engine) -> None:
    alice = add_user(engine)
    ids = completed(engine, alice)
    in_transaction(engine, lambda conn: correct.suspend(conn, ONE_BOARD, alice, **OPERATOR))
    in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, VETTING))
    assert top(engine) == []
    in_transaction(engine, lambda conn: correct.reinstate(conn, ONE_BOARD, alice, **OPERATOR))
    assert top(engine) == [(alice, 10)]


def test_held_action_counts_once_released_and_never_if_reversed(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    first, second = completed(engine, alice, alice)
    for action_id in (first, second):
        in_transaction(engine, lambda conn, it=action_id: settle.set_aside(conn, ONE_BOARD, it))  # type: ignore[misc]
    assert top(engine) == []
    in_transaction(engine, lambda conn: correct.release(conn, ONE_BOARD, first, **OPERATOR))
    in_transaction(engine, lambda conn: correct.reverse(conn, ONE_BOARD, second, **OPERATOR))
    assert top(engine) == [(alice, 10)]
    assert stores.value("SELECT total_score FROM users") == 10
    assert violations(engine) == {}


def test_adjusting_gives_and_takes_points_but_never_below_zero(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    in_transaction(engine, lambda conn: correct.adjust(conn, ONE_BOARD, alice, 70, **OPERATOR))
    in_transaction(engine, lambda conn: correct.adjust(conn, ONE_BOARD, alice, -30, **OPERATOR))
    assert top(engine) == [(alice, 40)]
    with pytest.raises(correct.BelowZero):
        in_transaction(engine, lambda conn: correct.adjust(conn, ONE_BOARD, alice, -41, **OPERATOR))
    assert stores.value("SELECT total_score FROM users") == 40
    assert violations(engine) == {}


def test_reversal_whose_points_were_adjusted_away_is_refused(engine: sa.Engine) -> None:
    alice = add_user(engine)
    (action_id,) = scored(engine, alice)
    in_transaction(engine, lambda conn: correct.adjust(conn, ONE_BOARD, alice, -10, **OPERATOR))
    with pytest.raises(correct.BelowZero):
        in_transaction(engine, lambda conn: correct.reverse(conn, ONE_BOARD, action_id, **OPERATOR))
    assert violations(engine) == {}


def test_correction_in_a_wrong_state_conflicts_or_is_not_found(engine: sa.Engine) -> None:
    alice = add_user(engine)
    (action_id,) = scored(engine, alice)
    wrong = [
        lambda conn: correct.release(conn, ONE_BOARD, action_id, **OPERATOR),
        lambda conn: correct.reinstate(conn, ONE_BOARD, alice, **OPERATOR),
    ]
    for call in wrong:
        with pytest.raises(correct.WrongState):
            in_transaction(engine, call)
    nobody = UserId(new_id())
    with pytest.raises(NotFound):
        in_transaction(engine, lambda conn: correct.suspend(conn, ONE_BOARD, nobody, **OPERATOR))
    with pytest.raises(NotFound):
        in_transaction(engine, lambda conn: correct.reverse(conn, ONE_BOARD, ActionId(new_id()), **OPERATOR))


def test_every_change_is_on_record_with_actor_and_reason(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    (action_id,) = scored(engine, alice)
    in_transaction(engine, lambda conn: correct.reverse(conn, ONE_BOARD, action_id, **OPERATOR))
    in_transaction(engine, lambda conn: correct.release(conn, ONE_BOARD, action_id, **OPERATOR))
    in_transaction(engine, lambda conn: correct.adjust(conn, ONE_BOARD, alice, 5, **OPERATOR))
    in_transaction(engine, lambda conn: correct.suspend(conn, ONE_BOARD, alice, **OPERATOR))
    in_transaction(engine, lambda conn: correct.reinstate(conn, ONE_BOARD, alice, **OPERATOR))
    events = stores.rows("SELECT kind, points, actor, reason FROM audit_events ORDER BY id")
    assert events == [
        ("reversed", -10, "shell", "a test"),
        ("released", 10, "shell", "a test"),
        ("adjusted", 5, "shell", "a test"),
        ("suspended", None, "shell", "a test"),
        ("reinstated", None, "shell", "a test"),
    ]


def test_audit_finds_each_kind_of_damage_and_rebuild_mends_it(engine: sa.Engine) -> None:
    players = [add_user(engine) for _ in range(3)]
    ids = [scored(engine, player)[0] for player in players]
    damages = {
        "total-scores": f"UPDATE users SET total_score = 11 WHERE id = '{players[0]}'",
        "standings": f"UPDATE standings SET score = 11 WHERE user_id = '{players[1]}'",
        "scored-once": f"INSERT INTO audit_events (kind, action_id, actor) VALUES ('reversed', '{ids[2]}', 'nobody')",
        "top-scores": "UPDATE top_scores SET score = 99 WHERE rank = 3",
        "outbox": f"UPDATE actions SET settlement = 'pending', settled_at = NULL, end_at = end_at - interval '1 hour'"
        f" WHERE id = '{ids[0]}'",
        "ranks": "UPDATE rank_counts SET counts[1] = 4, sums[1] = 4",
    }
    hidden = f"UPDATE standings SET hidden = true WHERE user_id = '{players[0]}'"
    earlier = f"UPDATE standings SET reached_at = reached_at - interval '1 s' WHERE user_id = '{players[1]}'"
    for name, damage in (*damages.items(), ("standings", earlier), ("standings", hidden)):
        with engine.connect() as conn, conn.begin() as transaction:
            conn.execute(sa.text(damage))
            found = {check.name: check.violations for check in _audit_in(conn)}
            assert found[name] >= 1, damage
            transaction.rollback()
    with engine.begin() as conn:
        conn.execute(sa.text(damages["standings"]))
        conn.execute(sa.text(damages["top-scores"]))
    changed, versions = in_transaction(engine, lambda conn: rebuild.rebuild(conn, ONE_BOARD, DEFAULT_BOARD))
    assert changed == [players[1]]
    assert list(versions) == [DEFAULT_BOARD]
    assert violations(engine) == {}
    assert in_transaction(engine, lambda conn: rebuild.rebuild(conn, ONE_BOARD, DEFAULT_BOARD)) == ([], {})


def test_rebuild_holds_off_whoever_writes_standings(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    now = stores.value("SELECT now()")
    with engine.begin() as rebuilding:
        standings.lock_all(rebuilding)
        with engine.connect() as conn:
            conn.execute(sa.text("SET LOCAL lock_timeout = 50"))
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                standings.raise_scores_with_next(conn, counting.adjusted(ONE_BOARD, alice, 10, now))


def test_rebuild_puts_back_a_row_that_is_missing_from_the_ten(engine: sa.Engine, stores: Stores) -> None:
    for _ in range(3):
        scored(engine, add_user(engine))
    stores.execute("DELETE FROM top_scores WHERE rank = 2")
    changed, versions = in_transaction(engine, lambda conn: rebuild.rebuild(conn, ONE_BOARD, DEFAULT_BOARD))
    assert (changed, list(versions)) == ([], [DEFAULT_BOARD])
    assert top(engine) == first_ten(engine)
    assert violations(engine) == {}


def _audit_in(conn: sa.Connection) -> list[audit.Check]:
    """Audit inside of a transaction that has begun, so that it sees what that has done."""
    return [
        audit.Check("total-scores", invariants.wrong_totals(conn)),
        audit._standings(conn, ONE_BOARD),
        audit._scored_once(conn, hours=audit.EVER),
        audit._top_scores(conn, ONE_BOARD),
        audit._ranks(conn),
        audit._outbox(conn),
    ]


def test_rebuild_while_others_settle_and_correct_changes_nothing(
    engine: sa.Engine, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    change_at_once(stores, rounds=8)
    assert "deadlock" not in caplog.text
