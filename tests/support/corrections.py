"""Corrections of every kind beside settles and a rebuild, at the edge of the ten, all at once."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import sqlalchemy as sa

from app.board import audit, correct, rebuild, settle
from app.board.publish import publish, publish_all
from app.domain.board_rules import BoardRules
from app.domain.errors import ScoreboardError
from app.domain.ids import DEFAULT_BOARD, ActionId, UserId
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support.board import ALL_TIME, BOARDS, ONE_BOARD, VETTING, completed, first_ten, top
from tests.support.people import add_user
from tests.support.service import Stores

OPERATOR = {"actor": "shell", "reason": "a test"}
PLAYERS = 13

Change = Callable[[sa.Connection], object]


def violations(engine: sa.Engine, rules: BoardRules = ONE_BOARD) -> dict[str, int]:
    """Count the violations of each invariant that is violated."""
    return {
        check.name: check.violations
        for check in in_transaction(engine, lambda conn: audit.audit(conn, rules))
        if check.violations
    }


def rebuilding(conn: sa.Connection) -> object:
    return rebuild.rebuild(conn, BOARDS, DEFAULT_BOARD)


def change_at_once(stores: Stores, *, rounds: int) -> None:
    """Let everything that moves a board happen at the same time, and check after each round that it is right."""
    engine, random = stores.engine, Random(11)
    players = [add_user(engine) for _ in range(PLAYERS)]
    publisher = Publisher.on(stores.redis)
    for _ in range(rounds):
        active = [UserId(it) for it in _ids(stores, "SELECT id FROM users WHERE status = 'active'")]
        ids = completed(engine, *random.choices(active, k=24))
        changes: list[Change] = [
            *_settles(ids),
            *_corrections(stores, players, random),
            rebuilding,
        ]
        random.shuffle(changes)
        results = _all_at_once(engine, changes)
        assert results[changes.index(rebuilding)] == ([], {})
        assert not [it for it in results if isinstance(it, ScoreboardError) and it.status >= 500]
        # A claim that was skipped because another transaction held it is left to the sweep.
        in_transaction(engine, lambda conn, ids=ids: settle.settle(conn, BOARDS, ids, VETTING))  # type: ignore[misc]
        assert top(engine) == first_ten(engine)
        assert violations(engine, BOARDS) == {}
    publish_all(engine, publisher, BOARDS)
    update = publish(engine, publisher, ALL_TIME)
    assert [(row["userId"], row["score"]) for row in json.loads(update.payload)] == top(engine)
    assert [check.violations for check in audit.published(engine, publisher, BOARDS)] == [0, 0]


def _ids(stores: Stores, query: str) -> list[str]:
    return [str(row[0]) for row in stores.rows(query)]


def _settles(ids: list[ActionId]) -> list[Change]:
    chunks = [ids[i : i + 8] for i in range(0, len(ids), 8)]
    return [lambda conn, it=it: settle.settle(conn, BOARDS, it, VETTING) for it in chunks]  # type: ignore[misc]


def _corrections(stores: Stores, players: list[UserId], random: Random) -> list[Change]:
    """Two reversals, a release, two that are held again; for some an adjustment, a suspension, a hiding, and back."""
    counted = [ActionId(it) for it in _ids(stores, "SELECT id FROM actions WHERE settlement = 'cleared'")]
    taken = [ActionId(it) for it in _ids(stores, "SELECT id FROM actions WHERE settlement = 'reversed'")]
    adjusted, suspended, reinstated, hidden, shown = random.choices(players, k=5)
    return [
        *(
            lambda conn, it=it: correct.reverse(conn, BOARDS, it, **OPERATOR)
            for it in random.sample(counted, min(2, len(counted)))
        ),
        *(
            lambda conn, it=it: correct.release(conn, BOARDS, it, **OPERATOR)
            for it in random.sample(taken, min(1, len(taken)))
        ),
        *(
            lambda conn, it=it: correct.hold(conn, BOARDS, it, **OPERATOR)
            for it in random.sample(counted + taken, min(2, len(counted + taken)))
        ),
        lambda conn: correct.adjust(conn, BOARDS, adjusted, 15, **OPERATOR),
        lambda conn: correct.suspend(conn, BOARDS, suspended, **OPERATOR),
        lambda conn: correct.reinstate(conn, BOARDS, reinstated, **OPERATOR),
        lambda conn: correct.hide(conn, BOARDS, hidden, **OPERATOR),
        lambda conn: correct.show(conn, BOARDS, shown, **OPERATOR),
    ]


def _all_at_once(engine: sa.Engine, changes: list[Change]) -> list[object]:
    """Run each change in a transaction, and give what it gives, or why it was refused."""
    start = threading.Barrier(len(changes))

    def run(change: Change) -> object:
        start.wait(10)
        try:
            return in_transaction(engine, change)
        except ScoreboardError as error:
            return error

    with ThreadPoolExecutor(len(changes)) as pool:
        return list(pool.map(run, changes))
