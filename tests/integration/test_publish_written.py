"""Publishing what a transaction has written: the same bytes as a read, or else a read."""

from collections.abc import Collection
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.board import freeze, publish, settle, top, worker
from app.board.vetting import Vetting
from app.board.worker import Desk
from app.domain import messages, periods
from app.domain.board_rules import BoardRule
from app.domain.fraud import FraudRules, Velocity
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId
from app.domain.signing import UNSIGNED
from db import boards, clock, published
from db.redis import Publisher, connect, top_scores_key
from db.transaction import in_statement, in_transaction
from tests.support import done, plain_boards
from tests.support.board import ALL_TIME, ONE_BOARD, RULES, VETTING, completed
from tests.support.done import Done
from tests.support.league import League
from tests.support.live import forge
from tests.support.many_boards import THREE
from tests.support.people import add_user
from tests.support.service import Stores


@pytest.fixture
def desk(engine: sa.Engine, stores: Stores) -> Desk:
    return Desk(engine, Publisher.on(stores.redis), THREE, RULES, VETTING)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many boards each read was of that the worker has made."""
    found: list[int] = []

    def publish_all(engine: sa.Engine, publisher: Publisher, rules: dict[BoardId, BoardRule]) -> object:
        found.append(len(rules))
        return publish.publish_all(engine, publisher, rules)

    monkeypatch.setattr(worker, "publish_all", publish_all)
    return found


def everything_is_published(desk: Desk, stores: Stores) -> None:
    """Check that each key holds the bytes that a read gives."""
    for board_id, present in publish.read_all(desk.engine, desk.board_rules).items():
        assert stores.redis.get(top_scores_key(board_id)) == present.update.text.encode(), board_id


class Mirror(League):
    """Compares what each settling says that it has written with what is read afterwards."""

    compared = 0

    def complete(self) -> None:
        ids = self._insert(self.random.randint(1, 6))
        settled = self._run(lambda conn: settle.settle(conn, plain_boards.RULES, ids, VETTING))
        self.settlement |= dict.fromkeys(ids, "cleared")
        _, found = in_statement(self.engine, lambda conn: published.read(conn, list(settled.boards)))
        for row, refreshed in settled.boards.items():
            assert refreshed.board is not None
            assert refreshed.version == found[row].version
            rule = plain_boards.RULES[top.board_of(row)]
            period = periods.named(rule, row.partition(":")[2]) or periods.only(rule)
            written, read = (publish._update(rule, period, it, UNSIGNED) for it in (refreshed.board, found[row]))
            assert written == read
            self.compared += 1


@pytest.mark.parametrize("seed", range(3))
def test_what_was_written_has_the_bytes_of_a_read(engine: sa.Engine, seed: int) -> None:
    mirror = Mirror(engine, seed)
    for _ in range(40):
        mirror.step()
    assert mirror.compared > 20


def test_worker_publishes_what_it_wrote_without_a_read(
    desk: Desk, engine: sa.Engine, stores: Stores, reads: list[int]
) -> None:
    users = [add_user(engine) for _ in range(12)]
    worker.settle_and_publish(desk, [])
    assert reads == [3], "nothing was written: the boards are put right"
    now = in_statement(engine, clock.now)
    ties = done.insert(engine, *(Done(user_id, now, points=10 * (number // 2)) for number, user_id in enumerate(users)))
    worker.settle_and_publish(desk, ties)
    everything_is_published(desk, stores)
    worker.settle_and_publish(desk, completed(engine, *users[:3]))
    everything_is_published(desk, stores)
    assert reads == [3]


def test_worker_reads_boards_when_something_is_in_doubt(
    desk: Desk, engine: sa.Engine, stores: Stores, reads: list[int]
) -> None:
    alice, bob = add_user(engine), add_user(engine)

    def settle_one(*, reading: bool) -> None:
        before = len(reads)
        worker.settle_and_publish(desk, completed(engine, alice))
        assert len(reads) == before + reading
        everything_is_published(desk, stores)

    settle_one(reading=False)
    # A period that is not the present one any more.
    now = in_statement(engine, clock.now)
    yesterday = done.insert(engine, Done(bob, now - timedelta(days=1)))
    worker.settle_and_publish(desk, yesterday)
    assert len(reads) == 1
    everything_is_published(desk, stores)
    # Keys that hold what isn't older, or nothing that can be read.
    epoch, version = publish.read(engine, ALL_TIME).stamp
    forge(stores, epoch=epoch, version=version + 1, channel=False)
    settle_one(reading=True)
    stores.redis.set(top_scores_key(DEFAULT_BOARD), "garbage")
    settle_one(reading=False)
    # A freeze that is planned, and one that is in force.
    tomorrow = now + timedelta(days=1)
    in_transaction(engine, lambda conn: freeze.freeze(conn, DEFAULT_BOARD, at=tomorrow, actor="shell", reason="a test"))
    settle_one(reading=True)
    in_transaction(engine, lambda conn: freeze.freeze(conn, DEFAULT_BOARD, actor="shell", reason="a test"))
    publish.publish_all(engine, desk.publisher, THREE)
    settle_one(reading=False)  # of the other two
    # A held action, whose user may be suspended by it.
    rules = Vetting(FraudRules(velocity=Velocity(completions_per_minute=1)), default_award=10)
    held = Desk(engine, desk.publisher, THREE, RULES, rules)
    before = len(reads)
    worker.settle_and_publish(held, completed(engine, alice, bob))
    assert len(reads) == before + 1
    everything_is_published(desk, stores)


def test_worker_without_redis_settles(engine: sa.Engine) -> None:
    nowhere = connect("redis://127.0.0.1:1/0", timeout=0.2)
    desk = Desk(engine, Publisher.on(nowhere), ONE_BOARD, RULES, VETTING)
    alice = add_user(engine)
    worker.settle_and_publish(desk, completed(engine, alice))
    assert [row.userId for row in publish.read(engine, ALL_TIME).rows()] == [alice]
    nowhere.close()


def test_name_that_changes_while_the_first_points_are_settled_is_a_version_of_its_own(
    desk: Desk, engine: sa.Engine, stores: Stores, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = add_user(engine), add_user(engine)
    lock_and_read = boards.lock_and_read

    def read_before_a_change(
        conn: sa.Connection, rules: dict[BoardId, BoardRule], touched: Collection[tuple[BoardId, UserId]]
    ) -> dict[BoardId, boards.Locked]:
        found = lock_and_read(conn, rules, touched)
        stores.execute("UPDATE users SET display_name = 'Ada' WHERE id = :id", id=alice)
        return found

    monkeypatch.setattr(boards, "lock_and_read", read_before_a_change)
    worker.settle_and_publish(desk, completed(engine, alice, bob))
    assert not reads
    for board_id, present in publish.read_all(engine, THREE).items():
        told = messages.read_update(stores.redis.get(top_scores_key(board_id)) or b"")
        assert told is not None
        epoch, version = told.stamp
        assert present.update.stamp == (epoch, version + 1), "what was told is no version that the database has"
        assert [row.displayName for row in present.update.rows() if row.userId == alice] == ["Ada"]
    publish.publish_all(engine, desk.publisher, THREE)
    everything_is_published(desk, stores)
