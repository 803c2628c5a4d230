"""Publishing: whatever Redis holds, it ends with the board as the database has it, and the newest one stays."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from app.board import correct
from app.board.erase import erase
from app.board.publish import publish, read
from app.domain import messages
from app.domain.ids import DEFAULT_BOARD, id_after, new_id
from app.domain.messages import Update
from db import boards
from db.redis import TOP_SCORES_CHANNEL, Publisher, connect
from db.transaction import in_transaction
from telemetry import metrics
from tests.support.board import ALL_TIME, BOARDS
from tests.support.live import award, clear, forge
from tests.support.people import Listener, listener
from tests.support.service import Stores

KEY = "top_scores:10"
FAR_FUTURE = "ffffffff-ffff-7fff-bfff-ffffffffffff"
LONG_AGO = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def publisher(stores: Stores) -> Publisher:
    return Publisher.on(stores.redis)


@pytest.fixture
def dora(stores: Stores) -> Listener:
    """Somebody who is first on the board."""
    clear(stores)
    dora = listener(stores, "dora")
    award(stores, dora.user_id, 100)
    return dora


class Ear:
    """Hears what is published while it is open."""

    def __init__(self, stores: Stores) -> None:
        self._pubsub: Any = stores.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._pubsub.subscribe(TOP_SCORES_CHANNEL)
        self._pubsub.get_message(timeout=1)

    def heard(self) -> list[str]:
        found = []
        while (message := self._pubsub.get_message(timeout=0.1)) is not None:
            found.append(message["data"].decode())
        return found

    def __enter__(self) -> "Ear":
        return self

    def __exit__(self, *args: object) -> None:
        self._pubsub.close()


def held(stores: Stores) -> str:
    value = stores.redis.get(KEY)
    assert isinstance(value, bytes)
    assert stores.redis.ttl(KEY) == -1
    return value.decode()


def database_is_everywhere(stores: Stores, publisher: Publisher) -> Update:
    """Check that key and database agree, also to the next publisher, who finds nothing to do."""
    now = read(stores.engine, ALL_TIME)
    assert held(stores) == now.text
    with Ear(stores) as ear:
        assert publish(stores.engine, publisher, ALL_TIME).text == now.text
        assert ear.heard() == []
    return now


def test_newer_board_is_set_and_published_with_the_same_bytes(
    stores: Stores, publisher: Publisher, dora: Listener
) -> None:
    before = read(stores.engine, ALL_TIME)
    with Ear(stores) as ear:
        update = award(stores, dora.user_id)
        assert ear.heard() == [update.text]
    assert update.stamp == (before.stamp[0], before.stamp[1] + 1)
    assert held(stores) == update.text
    assert json.loads(update.text)["payload"] == json.loads(update.payload)
    database_is_everywhere(stores, publisher)


def test_same_version_has_the_same_bytes_whenever_it_is_read(stores: Stores, dora: Listener) -> None:
    assert len({read(stores.engine, ALL_TIME).text for _ in range(5)}) == 1


def test_publish_counts_and_logs_each_change_once(
    stores: Stores, publisher: Publisher, dora: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    operator = {"actor": "shell", "reason": "a test"}
    epoch = read(stores.engine, ALL_TIME).stamp[0]
    changes: list[Callable[[sa.Connection], object]] = [
        lambda conn: correct.adjust(conn, BOARDS, dora.user_id, points=5, **operator),
        lambda conn: correct.suspend(conn, BOARDS, dora.user_id, **operator),
        lambda conn: correct.reinstate(conn, BOARDS, dora.user_id, **operator),
        lambda conn: erase(conn, BOARDS, dora.user_id, actor="shell", reason="a test"),
        lambda conn: boards.renew_epoch(conn, DEFAULT_BOARD, old=epoch, new=id_after(epoch)),
    ]
    before = metrics.top10_changed._value.get()
    caplog.set_level("INFO", "scoreboard.publish")
    published = []
    for change in changes:
        in_transaction(stores.engine, change)
        published.append(publish(stores.engine, publisher, ALL_TIME).stamp)
        publish(stores.engine, publisher, ALL_TIME)  # another process, which comes late
    assert metrics.top10_changed._value.get() == before + len(changes)
    events = [it.fields for it in caplog.records if it.message == "top10.changed"]  # type: ignore[attr-defined]
    assert [(it["epoch"], it["version"]) for it in events] == published
    assert len(set(published)) == len(changes)


def test_older_board_never_overwrites_a_newer_one(stores: Stores, publisher: Publisher, dora: Listener) -> None:
    older = read(stores.engine, ALL_TIME)
    newer = award(stores, dora.user_id)
    with Ear(stores) as ear:
        assert publisher.publish([older]) == [(False, newer.text.encode())]
        assert ear.heard() == []
    assert held(stores) == newer.text


def test_versions_are_compared_as_numbers(stores: Stores, publisher: Publisher) -> None:
    stores.redis.delete(KEY)
    nine = messages.update(DEFAULT_BOARD, (LONG_AGO, 9), [], stores.value("SELECT now()"))
    ten = messages.update(DEFAULT_BOARD, (LONG_AGO, 10), [], stores.value("SELECT now()"))
    assert publisher.publish([nine]) == [(True, None)]
    assert publisher.publish([ten]) == [(True, None)]
    assert publisher.publish([ten]) == [(False, None)]
    assert publisher.publish([nine]) == [(False, ten.text.encode())]


def test_missing_key_is_written_and_published_again(stores: Stores, publisher: Publisher, dora: Listener) -> None:
    stores.redis.delete(KEY)
    with Ear(stores) as ear:
        update = publish(stores.engine, publisher, ALL_TIME)
        assert ear.heard() == [update.text]
    database_is_everywhere(stores, publisher)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "garbage",
        "[]",
        "null",
        "\xff\xfe",
        '{"epoch":1,"version":2}',
        '{"epoch":"x","version":"2"}',
        f'{{"epoch":"{FAR_FUTURE}","version":1}}',
        f'{{"epoch":"{FAR_FUTURE}","version":1e400}}',
        '{"type":"heartbeat","epoch":"x","version":1}',
        "[" * 2000,
    ],
)
def test_garbage_in_the_key_is_replaced(stores: Stores, publisher: Publisher, dora: Listener, garbage: str) -> None:
    stores.redis.set(KEY, garbage.encode("latin-1"))
    publish(stores.engine, publisher, ALL_TIME)
    database_is_everywhere(stores, publisher)


def test_key_of_another_type_is_replaced(stores: Stores, publisher: Publisher, dora: Listener) -> None:
    stores.redis.delete(KEY)
    stores.redis.rpush(KEY, "x")
    publish(stores.engine, publisher, ALL_TIME)
    database_is_everywhere(stores, publisher)


def test_publish_of_a_restored_board_begins_a_greater_epoch(
    stores: Stores, publisher: Publisher, dora: Listener
) -> None:
    before = award(stores, dora.user_id)
    with stores.engine.begin() as conn:
        conn.execute(sa.text("UPDATE boards SET version = version - 1"))
        conn.execute(sa.text("UPDATE top_scores SET score = score - 10"))
    with Ear(stores) as ear:
        update = publish(stores.engine, publisher, ALL_TIME)
        assert ear.heard() == [update.text]
    assert update.stamp[0] > before.stamp[0]
    assert json.loads(update.payload)[0]["score"] == 100
    assert stores.value("SELECT epoch::text FROM boards WHERE id = 'all-time'") == update.stamp[0]
    database_is_everywhere(stores, publisher)


def test_version_shown_with_other_bytes_is_never_shown_again(
    stores: Stores, publisher: Publisher, dora: Listener
) -> None:
    before = award(stores, dora.user_id)
    with stores.engine.begin() as conn:
        conn.execute(sa.text("UPDATE top_scores SET score = score + 1"))
    update = publish(stores.engine, publisher, ALL_TIME)
    assert update.stamp > before.stamp
    assert update.stamp[0] != before.stamp[0]
    database_is_everywhere(stores, publisher)


def test_publish_of_a_version_with_another_time_begins_an_epoch(
    stores: Stores, publisher: Publisher, dora: Listener
) -> None:
    before = award(stores, dora.user_id)
    stores.execute("UPDATE boards SET updated_at = updated_at - interval '1 s'")
    assert publish(stores.engine, publisher, ALL_TIME).stamp[0] > before.stamp[0]
    database_is_everywhere(stores, publisher)


def test_read_rows_are_in_the_order_of_their_ranks(stores: Stores, dora: Listener) -> None:
    for _ in range(2):
        award(stores, listener(stores).user_id)
    # Written again they lie in another order, in the table and in what a scan of it finds.
    rows = stores.rows("SELECT * FROM top_scores")
    stores.execute("DELETE FROM top_scores")
    for row in sorted(rows, key=lambda row: (row.rank == 3, row.rank == 1), reverse=True):
        stores.execute(
            "INSERT INTO top_scores (board_id, rank, user_id, username, score, updated_at)"
            " VALUES (:board_id, :rank, :user_id, :username, :score, :updated_at)",
            **row._asdict(),
        )
    assert [row.rank for row in read(stores.engine, ALL_TIME).rows()] == [1, 2, 3]


def test_renew_epoch_is_done_by_the_first_only(stores: Stores, dora: Listener) -> None:
    old, version = read(stores.engine, ALL_TIME).stamp
    for new, first in ((new_id(), True), (new_id(), False)):
        with stores.engine.begin() as conn:
            assert boards.renew_epoch(conn, DEFAULT_BOARD, old=old, new=new) is first
    assert read(stores.engine, ALL_TIME).stamp[1] == version + 1


def test_backup_from_an_earlier_epoch_begins_a_new_one_too(
    stores: Stores, publisher: Publisher, dora: Listener
) -> None:
    # Its versions were shown once, with what happened after the backup was made.
    backup = stores.rows("SELECT epoch::text, version FROM boards WHERE id = 'all-time'")[0]
    award(stores, dora.user_id)
    with stores.engine.begin() as conn:
        conn.execute(sa.text("UPDATE boards SET version = version - 1"))
    shown = publish(stores.engine, publisher, ALL_TIME)
    assert shown.stamp[0] > backup.epoch
    with stores.engine.begin() as conn:
        conn.execute(sa.text("UPDATE boards SET epoch = :epoch, version = :version"), backup._asdict())
    again = publish(stores.engine, publisher, ALL_TIME)
    assert again.stamp[0] > shown.stamp[0]
    database_is_everywhere(stores, publisher)


@pytest.mark.parametrize("same_epoch", [True, False])
def test_forged_message_in_the_key_loses_against_the_database(
    stores: Stores, publisher: Publisher, dora: Listener, same_epoch: bool
) -> None:
    before = read(stores.engine, ALL_TIME)
    forge(stores, epoch=before.stamp[0] if same_epoch else FAR_FUTURE, version=10**15)
    update = publish(stores.engine, publisher, ALL_TIME)
    assert update.payload == before.payload
    assert update.stamp > before.stamp, "who believed the forger sees that this one replaces it"
    assert update.stamp[0] != before.stamp[0]
    database_is_everywhere(stores, publisher)


def test_version_a_process_holds_is_judged_like_the_key(stores: Stores, publisher: Publisher, dora: Listener) -> None:
    now = read(stores.engine, ALL_TIME)
    older = replace(now, stamp=(now.stamp[0], now.stamp[1] - 1), text="older")
    assert publish(stores.engine, publisher, ALL_TIME, seen=older).text == now.text
    assert publish(stores.engine, publisher, ALL_TIME, seen=now).text == now.text
    newer = replace(now, stamp=(now.stamp[0], now.stamp[1] + 1), text="newer")
    update = publish(stores.engine, publisher, ALL_TIME, seen=newer)
    assert update.stamp[0] > now.stamp[0]
    database_is_everywhere(stores, publisher)


def test_publishers_beside_changes_end_on_the_newest_in_order(
    stores: Stores, publisher: Publisher, dora: Listener
) -> None:
    done = threading.Event()

    def publish_on() -> None:
        while not done.is_set():
            publish(stores.engine, publisher, ALL_TIME)

    with Ear(stores) as ear, ThreadPoolExecutor(8) as pool:
        publishers = [pool.submit(publish_on) for _ in range(4)]
        try:
            for change in [pool.submit(award, stores, dora.user_id) for _ in range(40)]:
                change.result()
        finally:
            done.set()
        for it in publishers:
            it.result()
        heard = [messages.read_update(text) for text in ear.heard()]
    stamps = [it.stamp for it in heard if it is not None]
    assert len(stamps) == len(heard)
    assert stamps == sorted(set(stamps))
    assert {epoch for epoch, _ in stamps} == {read(stores.engine, ALL_TIME).stamp[0]}
    assert heard[-1] == database_is_everywhere(stores, publisher)


def test_publishers_agree_on_one_new_epoch_after_a_forgery(
    stores: Stores, publisher: Publisher, dora: Listener
) -> None:
    epoch, version = read(stores.engine, ALL_TIME).stamp
    seen = messages.read_update(forge(stores, epoch=epoch, version=10**9))
    with ThreadPoolExecutor(8) as pool:
        for it in [pool.submit(publish, stores.engine, publisher, ALL_TIME, seen=seen) for _ in range(8)]:
            it.result()
    now = database_is_everywhere(stores, publisher)
    assert now.stamp[0] > epoch
    assert now.stamp[1] == version + 1, "one new epoch, not one for each"


def test_board_is_read_without_redis(stores: Stores, dora: Listener) -> None:
    nowhere = connect("redis://127.0.0.1:1/0", timeout=0.2)
    now = read(stores.engine, ALL_TIME)
    assert publish(stores.engine, Publisher.on(nowhere), ALL_TIME).text == now.text
    with pytest.raises(redis.RedisError):
        Publisher.on(nowhere).publish([now])
    nowhere.close()


def test_script_that_redis_has_forgotten_is_sent_again(stores: Stores, publisher: Publisher, dora: Listener) -> None:
    publish(stores.engine, publisher, ALL_TIME)
    stores.redis.script_flush()
    stores.redis.delete(KEY)
    publish(stores.engine, publisher, ALL_TIME)
    database_is_everywhere(stores, publisher)
