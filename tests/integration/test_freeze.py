"""Freezing, thawing and revealing a board, in the database: what is shown, and which versions tell of it."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from app.board import correct, erase, freeze, rename, settle, visible
from app.board.correct import WrongState
from app.board.publish import publish
from app.domain import messages, periods
from app.domain.board_rules import BoardRules
from app.domain.errors import Malformed, NotFound
from app.domain.ids import DEFAULT_BOARD, ActionId, UserId
from app.domain.messages import Update
from db import boards, freezes, standings, users
from db.freezes import State
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support.board import BOARDS, ONE_BOARD, VETTING, completed, top
from tests.support.corrections import rebuilding, violations
from tests.support.people import add_user
from tests.support.service import Stores

OPERATOR = {"actor": "shell", "reason": "a test"}
RULE = BOARDS[DEFAULT_BOARD]


def give(engine: sa.Engine, user_id: UserId, points: int) -> None:
    in_transaction(engine, lambda conn: correct.adjust(conn, BOARDS, user_id, points, **OPERATOR))


def settled(engine: sa.Engine, *user_ids: UserId) -> list[ActionId]:
    ids = completed(engine, *user_ids)
    in_transaction(engine, lambda conn: settle.settle(conn, BOARDS, ids, VETTING))
    return ids


def frozen(engine: sa.Engine, at: datetime | None = None) -> State:
    return in_transaction(engine, lambda conn: freeze.freeze(conn, DEFAULT_BOARD, at=at, **OPERATOR))


def thawed(engine: sa.Engine) -> State:
    return in_transaction(engine, lambda conn: freeze.thaw(conn, RULE, DEFAULT_BOARD, **OPERATOR))


def revealed(engine: sa.Engine, places: int = 1) -> State:
    return in_transaction(engine, lambda conn: freeze.reveal(conn, RULE, DEFAULT_BOARD, places=places, **OPERATOR))


def state(engine: sa.Engine) -> State:
    return in_transaction(engine, lambda conn: freezes.read(conn, DEFAULT_BOARD))


def keep(engine: sa.Engine, rules: BoardRules = BOARDS) -> list[str]:
    return [str(it) for it in in_transaction(engine, lambda conn: freeze.keep(conn, rules))]


def ranked(engine: sa.Engine) -> list[tuple[int, str, int]]:
    """Return what the public is shown: rank, user and score."""
    with engine.connect() as conn:
        found = visible.frozen(conn, DEFAULT_BOARD)
    assert found is not None
    return [(row.rank, row.userId, row.score) for row in found.rows]


def events(stores: Stores) -> list[tuple[str, str]]:
    query = "SELECT kind, actor FROM audit_events WHERE kind LIKE 'board%' ORDER BY id"
    return [(kind, actor) for kind, actor in stores.rows(query)]


def with_freeze_at(moment: datetime | None) -> BoardRules:
    return {**BOARDS, DEFAULT_BOARD: msgspec.structs.replace(RULE, freeze_at=moment)}


def test_frozen_board_keeps_its_rows_while_standings_go_on(engine: sa.Engine, stores: Stores) -> None:
    alice, bob, carol = (add_user(engine) for _ in range(3))
    give(engine, alice, 30)
    give(engine, bob, 20)
    before = state(engine).version
    now = frozen(engine)
    assert (now.frozen, now.version) == (True, before + 1)
    with pytest.raises(WrongState):
        frozen(engine)
    give(engine, carol, 100)
    give(engine, alice, -30)
    (action_id,) = settled(engine, bob)
    in_transaction(engine, lambda conn: correct.reverse(conn, BOARDS, action_id, **OPERATOR))
    settled(engine, bob)
    assert in_transaction(engine, rebuilding) == ([], {})
    assert ranked(engine) == [(1, alice, 30), (2, bob, 20)]
    assert top(engine) == [(alice, 30), (bob, 20)]
    assert state(engine).version == before + 1, "a version that counts on would tell that others score"
    assert violations(engine) == {}
    after = thawed(engine)
    assert top(engine) == [(carol, 100), (bob, 30)]
    assert not after.frozen
    assert after.frozen_from is None
    assert after.thawed_at is not None
    assert after.version > before + 1
    with engine.connect() as conn:
        assert visible.frozen(conn, DEFAULT_BOARD) is None
    with pytest.raises(WrongState):
        thawed(engine)
    assert events(stores) == [("board_frozen", "shell"), ("board_thawed", "shell")]
    assert violations(engine) == {}


def test_own_numbers_go_on_without_a_place_while_the_board_is_frozen(engine: sa.Engine) -> None:
    alice = add_user(engine)

    def own() -> list[tuple[int, int | None]]:
        with engine.connect() as conn:
            (numbers,) = standings.own(conn, DEFAULT_BOARD, [alice])
            profile = users.profile(conn, alice, DEFAULT_BOARD)
        assert profile is not None
        return [(numbers.score, numbers.rank), (profile.score, profile.rank)]

    give(engine, alice, 10)
    frozen(engine)
    give(engine, alice, 5)
    assert own() == [(15, None)] * 2
    thawed(engine)
    assert own() == [(15, 1)] * 2


def test_thaw_is_a_version_of_its_own_also_when_nobody_has_scored(engine: sa.Engine) -> None:
    before = frozen(engine).version
    assert thawed(engine).version == before + 1


def test_planned_freeze_begins_by_the_clock_of_the_database(engine: sa.Engine, stores: Stores) -> None:
    alice, bob, carol = (add_user(engine) for _ in range(3))
    now: datetime = stores.value("SELECT clock_timestamp()")
    with pytest.raises(Malformed):
        frozen(engine, now - timedelta(seconds=1))
    frozen(engine, now + timedelta(hours=1))
    assert keep(engine) == []
    planned = frozen(engine, now + timedelta(seconds=0.5))
    assert not planned.frozen

    def gave_until_frozen(player: UserId) -> None:
        while not state(engine).frozen:
            settled(engine, player)
            give(engine, player, 1)

    # Nobody begins it: those who settle at that moment find it under the lock.
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(gave_until_frozen, (alice, bob, carol)))
    rows, version = top(engine), state(engine).version
    give(engine, bob, 1000)
    assert (top(engine), len(rows)) == (rows, 3)
    assert violations(engine) == {}
    assert keep(engine) == [DEFAULT_BOARD]
    assert keep(engine) == []
    assert (top(engine), state(engine).version) == (rows, version + 1)
    # From now on no clock decides: after a failover it may be one that is behind.
    stores.execute("UPDATE boards SET frozen_from = clock_timestamp() + interval '1 minute'")
    give(engine, alice, 1)
    assert top(engine) == rows
    assert state(engine).frozen
    assert events(stores)[-1] == ("board_frozen", "system")


def test_freeze_of_the_rules_is_taken_over_and_not_again_once_it_was_thawed(engine: sa.Engine, stores: Stores) -> None:
    now: datetime = stores.value("SELECT clock_timestamp()")
    soon, later, ago = now + timedelta(hours=1), now + timedelta(hours=2), now - timedelta(hours=1)
    keep(engine, with_freeze_at(soon))
    assert state(engine).frozen_from == soon
    keep(engine, with_freeze_at(later))
    assert state(engine).frozen_from == later
    keep(engine)
    assert state(engine).frozen_from is None
    keep(engine, with_freeze_at(soon))
    # An operator freezes and thaws before: the moment of the rules is still ahead.
    frozen(engine)
    keep(engine, with_freeze_at(later))
    assert state(engine).frozen
    assert thawed(engine).frozen_from == later
    assert thawed(engine).frozen_from is None, "called off"
    keep(engine, with_freeze_at(later))
    assert state(engine).frozen_from is None
    assert keep(engine, with_freeze_at(now)) == [], "it was thawed after that moment"
    stores.execute("UPDATE boards SET thawed_at = NULL")
    assert keep(engine, with_freeze_at(ago)) == [DEFAULT_BOARD]
    keep(engine)
    assert state(engine).frozen, "what is frozen is thawed by an operator alone"


def test_freeze_of_the_rules_is_for_the_period_that_it_lies_in(engine: sa.Engine, stores: Stores) -> None:
    now: datetime = stores.value("SELECT clock_timestamp()")
    weekly = msgspec.structs.replace(RULE, id="weekly", window="weekly", freeze_at=now - timedelta(days=8))
    rules = {**ONE_BOARD, weekly.id: weekly}
    assert keep(engine, rules) == []
    (this_week,) = keep(engine, {**rules, weekly.id: msgspec.structs.replace(weekly, freeze_at=now)})
    assert this_week.startswith("weekly:")

    def of(label: str | None) -> str:
        return in_transaction(engine, lambda conn: freeze.period_id(conn, weekly, label))

    assert of(None) == of(this_week.partition(":")[2]) == this_week
    for label in ("2001-W01", "2001-W99", "x"):
        with pytest.raises(NotFound):
            of(label)
    past = periods.named(weekly, "2001-W02")
    assert past is not None
    in_transaction(engine, lambda conn: boards.ensure(conn, [past]))
    assert of("2001-W02") == past.id
    found = in_transaction(engine, lambda conn: freeze.find(conn, rules))
    assert [(it.board_id, it.frozen) for it in found] == [(DEFAULT_BOARD, False), (this_week, True)]


def test_who_may_not_be_shown_leaves_a_frozen_board_and_nobody_enters(engine: sa.Engine, stores: Stores) -> None:
    players = [add_user(engine) for _ in range(12)]
    for number, player in enumerate(players):
        give(engine, player, 100 - number)
    frozen(engine)
    for player in players:
        give(engine, player, 1000)
    first, second, third, fourth, fifth, *_, eleventh, _ = players

    def change(work: object, *args: object, **more: object) -> int:
        in_transaction(engine, lambda conn: work(conn, BOARDS, *args, **more))  # type: ignore[operator]
        return state(engine).version

    versions = [
        state(engine).version,
        change(correct.suspend, first, **OPERATOR),
        change(correct.hide, third, **OPERATOR),
        change(erase.erase, fourth, **OPERATOR),
        change(rename.rename, fifth, username="fifth", display_name="5", **OPERATOR),
    ]
    assert versions == list(range(versions[0], versions[0] + 5))
    kept = [second, *players[4:10]]
    scores = {player: 100 - number for number, player in enumerate(players)}
    assert ranked(engine) == [(rank, player, scores[player]) for rank, player in enumerate(kept, start=1)]
    with engine.connect() as conn:
        shown = visible.frozen(conn, DEFAULT_BOARD)
    assert shown
    assert [(it.username, it.displayName) for it in shown.rows[1:2]] == [("fifth", "5")]
    # Whom the frozen board doesn't show changes nothing, and who comes back waits until it is thawed.
    assert change(correct.suspend, eleventh, **OPERATOR) == versions[-1]
    assert change(correct.reinstate, first, **OPERATOR) == versions[-1]
    assert change(correct.show, third, **OPERATOR) == versions[-1]
    assert len(ranked(engine)) == 7
    # Without any standing he is found by what is shown of him.
    stores.execute("DELETE FROM standings WHERE user_id = :id", id=second)
    assert change(correct.hide, second, **OPERATOR) == versions[-1] + 1
    assert [user for _, user, _ in ranked(engine)] == kept[1:]
    change(correct.show, second, **OPERATOR)
    stores.execute("UPDATE users SET total_score = 0 WHERE id = :id", id=second)
    stores.execute("DELETE FROM audit_events WHERE user_id = :id", id=second)
    assert violations(engine) == {}
    thawed(engine)
    assert [user for user, _ in top(engine)] == [first, third, *players[4:10], players[11]]


def test_places_are_revealed_from_the_last_up_and_the_first_thaws(engine: sa.Engine, stores: Stores) -> None:
    players = [add_user(engine) for _ in range(4)]
    for number, player in enumerate(players, start=1):
        give(engine, player, number)
    with pytest.raises(WrongState):
        revealed(engine)
    frozen(engine)
    for number, player in enumerate(players):
        give(engine, player, 100 - number)
    one = revealed(engine)
    assert (one.frozen, one.revealed, one.places) == (True, 1, 4)
    assert ranked(engine) == [(4, players[3], 101)]
    assert revealed(engine, 2).revealed == 3
    final = [(2, players[1], 101), (3, players[2], 101), (4, players[3], 101)]
    assert ranked(engine) == final
    give(engine, players[2], 500)
    assert ranked(engine) == final
    assert violations(engine) == {}
    in_transaction(engine, lambda conn: correct.suspend(conn, BOARDS, players[2], **OPERATOR))
    now = state(engine)
    assert (now.revealed, now.places) == (2, 3)
    assert ranked(engine) == [(2, players[1], 101), (3, players[3], 101)]
    last = revealed(engine, 50)
    assert (last.frozen, last.revealed, last.places) == (False, None, None)
    assert top(engine) == [(players[0], 101), (players[1], 101), (players[3], 101)]
    kinds = [kind for kind, _ in events(stores)]
    assert kinds == ["board_frozen", "board_revealed", "board_revealed", "board_revealed", "board_thawed"]


def test_message_says_since_when_and_how_many_are_revealed(engine: sa.Engine, stores: Stores) -> None:
    give(engine, add_user(engine), 10)
    give(engine, add_user(engine), 20)
    publisher = Publisher.on(stores.redis)

    def said() -> tuple[dict[str, Any], Update]:
        update = publish(engine, publisher, RULE)
        held = stores.redis.get("top_scores:10")
        assert held == update.text.encode()
        assert messages.read_update(update.text) == update
        more = ("frozen", "frozenSince", "revealed", "places")
        return {name: value for name, value in json.loads(update.text).items() if name in more}, update

    assert said()[0] == {}
    # Whoever publishes notices that a planned moment has come, and begins.
    stores.execute("UPDATE boards SET frozen_from = clock_timestamp() - interval '1 ms'")
    told, update = said()
    frozen_from = state(engine).frozen_from
    assert frozen_from is not None
    since = messages.rfc3339(frozen_from)
    assert told == {"frozen": True, "frozenSince": since}
    assert list(json.loads(update.text))[5:] == ["timestamp", "frozen", "frozenSince"]
    assert (update.frozen_since, update.revealed) == (since, None)
    revealed(engine)
    told, update = said()
    assert told == {"frozen": True, "frozenSince": since, "revealed": 1, "places": 2}
    assert (update.revealed, [row.rank for row in update.rows()]) == ("1/2", [2])
    thawed(engine)
    assert said()[0] == {}


def test_empty_board_is_thawed_by_revealing_it(engine: sa.Engine) -> None:
    frozen(engine)
    assert not revealed(engine).frozen


def test_audit_finds_what_is_wrong_with_a_frozen_board(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    give(engine, alice, 20)
    give(engine, bob, 10)
    frozen(engine)
    give(engine, bob, 50)
    assert violations(engine) == {}
    for wrong, right in (
        ("username = 'x' WHERE rank = 1", "username = (SELECT username FROM users WHERE id = user_id) WHERE rank = 1"),
        ("rank = 3 WHERE rank = 2", "rank = 2 WHERE rank = 3"),
        ("score = 21 WHERE rank = 2", "score = 10 WHERE rank = 2"),
    ):
        stores.execute(f"UPDATE top_scores SET {wrong}")
        assert violations(engine) == {"top-scores": 1}, wrong
        stores.execute(f"UPDATE top_scores SET {right}")
        assert violations(engine) == {}
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=bob)
    assert violations(engine) == {"top-scores": 1}
