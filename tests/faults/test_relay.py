"""The way from Redis to the sockets, which outlives Redis and believes nothing that PostgreSQL doesn't say."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import redis
from broadcaster import Event
from websockets.sync.client import ClientConnection

from app.board.publish import Present, publish_all
from app.concurrency.threads import Threads
from app.domain.errors import DatabaseUnavailable, Unavailable
from app.domain.ids import DEFAULT_BOARD, BoardId
from app.domain.messages import Update, read_update
from app.live import boards, relay
from app.live.board import LiveBoard
from app.live.boards import LiveBoards
from app.live.relay import SupervisedRedis
from db.redis import TOP_SCORES_CHANNEL, Publisher, connect
from dev import embedded
from tests.support.board import ALL_TIME
from tests.support.clock import now
from tests.support.live import award, clear, forge, in_process
from tests.support.loop import until
from tests.support.people import Listener, listener
from tests.support.service import Process, Service, Stores, eventually, free_port
from tests.support.sockets import listening, until_version
from tests.support.stores import on_redis

KEY = "top_scores:10"
FAR_FUTURE = "ffffffff-ffff-7fff-bfff-ffffffffffff"
HEALED = 5.0
"""Seconds within which everything is well again."""

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture(scope="module")
def stores(stores: Stores, own_redis: embedded.Redis) -> Iterator[Stores]:
    """This module's stores, with a Redis that can be killed."""
    with on_redis(stores, own_redis.url) as stores:
        yield stores


@pytest.fixture(scope="module")
def webs(service: Service) -> list[Process]:
    return [service.web(), service.web()]


@pytest.fixture
def dora(stores: Stores) -> Listener:
    clear(stores)
    dora = listener(stores, "dora")
    award(stores, dora.user_id)
    return dora


class Watch:
    """A socket of each web process, and the updates that each of them got."""

    def __init__(self, sockets: list[ClientConnection]) -> None:
        self.sockets = sockets
        self.updates: list[list[Update]] = [[] for _ in sockets]

    def look(self) -> list[Update]:
        """Receive what has come, and give the newest of each socket."""
        for websocket, updates in zip(self.sockets, self.updates, strict=True):
            while True:
                try:
                    text = websocket.recv(timeout=0)
                except TimeoutError:
                    break
                if (update := read_update(text)) is not None:
                    updates.append(update)
        return [updates[-1] for updates in self.updates if updates]

    def all_have(self, text: str, *, within: float = HEALED) -> None:
        """Wait until every socket's newest update is this one."""
        eventually(
            lambda: [it.text for it in self.look()] == [text] * len(self.sockets), within=within, what="the update"
        )

    def versions_only_rise(self) -> bool:
        """Return whether no socket saw a version of an epoch twice, or one after a greater one of that epoch."""
        for updates in self.updates:
            newest: dict[str, int] = {}
            for epoch, version in (it.stamp for it in updates):
                if version <= newest.get(epoch, -1):
                    return False
                newest[epoch] = version
        return True


@pytest.fixture
def watch(webs: list[Process], stores: Stores, dora: Listener) -> Iterator[Watch]:
    """Sockets that are open throughout the test, and have the present board; they must stay open."""
    with ExitStack() as stack:
        watch = Watch([stack.enter_context(listening(web, dora.token)) for web in webs])
        eventually(lambda: on_the_database_board(watch, webs, stores), within=HEALED, what="the database's board")
        yield watch
        for websocket in watch.sockets:
            websocket.ping().wait(5)
        watch.look()
        assert watch.versions_only_rise()


def held(stores: Stores) -> str:
    value = stores.redis.get(KEY)
    assert isinstance(value, bytes)
    return value.decode()


def database_says(stores: Stores) -> str:
    """Return the (epoch, version) of the board in the database, as GET's ETag has it."""
    epoch, version = stores.rows("SELECT epoch::text, version FROM boards WHERE id = 'all-time'")[0]
    return f'"{epoch}-{version}"'


def on_the_database_board(watch: Watch, webs: list[Process], stores: Stores) -> bool:
    """Return whether every socket, GET of every process and the key are where the database is."""
    etag = database_says(stores)
    texts = {it.text for it in watch.look()}
    held_now = stores.redis.get(KEY)
    return (
        len(texts) == 1
        and {it.etag for it in watch.look()} == {etag}
        and {httpx2.get(f"{web.url}/top-scores").headers["etag"] for web in webs} == {etag}
        and isinstance(held_now, bytes)
        and held_now.decode() in texts
    )


def test_redis_is_killed_and_comes_back_empty(
    own_redis: embedded.Redis, webs: list[Process], stores: Stores, dora: Listener, watch: Watch
) -> None:
    own_redis.kill()
    try:
        missed = award(stores, dora.user_id)
        # Sockets and GET go on from the version check alone.
        watch.all_have(missed.text)
        for web in webs:
            assert httpx2.get(f"{web.url}/top-scores").headers["etag"] == missed.etag
            assert httpx2.get(f"{web.url}/healthz").status_code == 200
        for log in own_redis.directory.path.glob("appendonlydir/*"):
            log.unlink()
    finally:
        own_redis.start()
    eventually(lambda: stores.redis.get(KEY) == missed.text.encode(), within=HEALED, what="the key")
    eventually(
        lambda: stores.redis.pubsub_numsub(TOP_SCORES_CHANNEL)[0][1] == len(webs),
        within=HEALED,
        what="the subscriptions",
    )
    watch.all_have(award(stores, dora.user_id).text, within=1)


def test_pubsub_connections_are_killed(webs: list[Process], stores: Stores, dora: Listener, watch: Watch) -> None:
    for _ in range(3):
        assert stores.redis.client_kill_filter(_type="pubsub") == len(webs)
        missed = award(stores, dora.user_id)
        watch.all_have(missed.text, within=1)
        eventually(
            lambda: stores.redis.pubsub_numsub(TOP_SCORES_CHANNEL)[0][1] == len(webs),
            within=2,
            what="the subscriptions",
        )
    watch.all_have(award(stores, dora.user_id).text, within=1)


def test_key_is_rewritten_after_flushall_without_a_worker(webs: list[Process], stores: Stores, watch: Watch) -> None:
    before = held(stores)
    stores.redis.flushall()
    eventually(lambda: stores.redis.get(KEY) == before.encode(), within=HEALED, what="the key")
    assert stores.redis.ttl(KEY) == -1
    watch.all_have(before)


def test_message_that_redis_lost_is_found_by_the_version_check(
    webs: list[Process], stores: Stores, dora: Listener, watch: Watch
) -> None:
    epoch, version = watch.look()[0].stamp
    # Nobody publishes: the writer died after its commit.
    deaf = replace(stores, redis=redis.Redis(port=1))
    missed = award(deaf, dora.user_id)
    deaf.redis.close()
    assert missed.stamp == (epoch, version + 1)
    watch.all_have(missed.text)
    eventually(lambda: held(stores) == missed.text, within=1, what="the key")


@pytest.mark.parametrize(("epoch", "key"), [("same", True), ("same", False), (FAR_FUTURE, True)])
def test_forged_version_is_replaced_by_the_board_of_the_database(
    webs: list[Process], stores: Stores, dora: Listener, watch: Watch, epoch: str, key: bool
) -> None:
    before = watch.look()[0].stamp[0]
    forged = forge(stores, epoch=before if epoch == "same" else epoch, version=2**60, key=key)
    # It is believed, be it for a moment: the next look at the database, which begins a new epoch, may come at once.
    eventually(
        lambda: all(it.text == forged or it.stamp[0] not in (before, epoch) for it in watch.look()),
        within=1,
        what="the forged one, or what replaced it",
    )
    eventually(lambda: on_the_database_board(watch, webs, stores), within=HEALED, what="the database's board")
    assert "forger" not in held(stores)
    assert watch.look()[0].stamp[0] not in (before, epoch)
    watch.all_have(award(stores, dora.user_id).text, within=1)


def test_garbage_on_the_channel_is_ignored(webs: list[Process], stores: Stores, dora: Listener, watch: Watch) -> None:
    before = held(stores)
    stamp = watch.look()[0].stamp
    other_board = before.replace('"board":"all-time"', '"board":"other"').replace(stamp[0], FAR_FUTURE)
    assert other_board != before
    for garbage in (b"", b"garbage", b"\xff\xfe\x00", b"{}", b"[" * 10_000, b"x" * 1_000_000, other_board.encode()):
        stores.redis.publish(TOP_SCORES_CHANNEL, garbage)
        stores.redis.publish("scoreboard:relay", garbage)
    older = before.replace(f'"version":{stamp[1]}', f'"version":{stamp[1] - 1}')
    changed = before.replace('"score":10', '"score":11')
    for lie in (older, changed):
        assert lie != before
        stores.redis.publish(TOP_SCORES_CHANNEL, lie)
    update = award(stores, dora.user_id)
    watch.all_have(update.text, within=1)
    seen = [[it.text for it in updates] for updates in watch.updates]
    assert [texts[texts.index(before) :] for texts in seen] == [[before, update.text]] * len(webs)


def all_time_alone(stores: Stores, relay: SupervisedRedis, threads: Threads) -> LiveBoard:
    """Make the board of all times, as if there were no other."""
    publisher = Publisher.on(stores.redis)
    return LiveBoards({DEFAULT_BOARD: ALL_TIME}, stores.engine, publisher, relay, threads)[DEFAULT_BOARD]


def test_get_that_had_to_ask_postgresql_writes_the_missing_key(stores: Stores, dora: Listener) -> None:
    async def get() -> Update:
        threads = Threads("test", 2, depth=10)
        relay = SupervisedRedis(stores.redis_url)
        board = all_time_alone(stores, relay, threads)
        try:
            updates = await asyncio.gather(*(board.now() for _ in range(20)))
        finally:
            threads.close()
            await relay.disconnect()
        assert len({it.text for it in updates}) == 1
        return updates[0]

    before = held(stores)
    stores.redis.delete(KEY)
    with asyncio.Runner() as runner:
        assert runner.run(get()).text == before
    assert held(stores) == before


def test_get_on_redis_alone_does_not_ask_postgresql(stores: Stores, dora: Listener) -> None:
    forged = forge(stores, epoch=FAR_FUTURE, version=1, channel=False)

    async def get() -> Update:
        threads = Threads("test", 2, depth=10)
        relay = SupervisedRedis(stores.redis_url)
        try:
            return await all_time_alone(stores, relay, threads).now()
        finally:
            threads.close()
            await relay.disconnect()

    with asyncio.Runner() as runner:
        assert runner.run(get()).text == forged


def test_both_stores_away_one_get_waits_and_others_use_memory(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    board_now = award(stores, dora.user_id)
    asked: list[float] = []

    def hang(*_: object, **__: object) -> Update:
        asked.append(now())
        time.sleep(0.5)
        raise DatabaseUnavailable("The database can't be reached.")

    monkeypatch.setattr(boards, "publish_all", hang)

    async def get() -> None:
        threads = Threads("test", 2, depth=10)
        relay = SupervisedRedis(stores.redis_url)
        with connect(f"redis://127.0.0.1:{free_port()}/0", timeout=0.2) as nobody:
            board = all_time_alone(replace(stores, redis=nobody), relay, threads)
            try:
                with pytest.raises(Unavailable):
                    await board.now()
                board.update = board_now
                began = now()
                for _ in range(20):
                    assert await board.now() is board_now
                assert now() - began < 0.2
                assert len(asked) == 1
                monkeypatch.setattr("app.live.boards.CHECK_EVERY", 0.0)  # as if it were worth another look
                assert await board.now() is board_now
                assert len(asked) == 2
            finally:
                threads.close()
                await relay.disconnect()

    with asyncio.Runner() as runner:
        runner.run(get())


def test_redis_that_hangs_holds_nobody_up(
    own_redis: embedded.Redis, webs: list[Process], stores: Stores, dora: Listener, watch: Watch
) -> None:
    own_redis.pause()
    try:
        deaf = replace(stores, redis=redis.Redis(port=1))
        missed = award(deaf, dora.user_id)
        deaf.redis.close()
        watch.all_have(missed.text, within=6)
        for web in webs:
            assert httpx2.get(f"{web.url}/top-scores", timeout=1.5).headers["etag"] == missed.etag
    finally:
        own_redis.resume()
    eventually(lambda: held(stores) == missed.text, within=HEALED, what="the key")
    watch.all_have(award(stores, dora.user_id).text)


def test_listener_that_dies_is_started_again(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with in_process(stores, caplog) as server, listening(server, dora.token) as websocket:
        boards = server.web.boards
        eventually(lambda: boards._relay.connected, what="the subscription")
        hear = boards._hear
        died = threading.Event()

        async def die(text: str) -> None:
            monkeypatch.setattr(boards, "_hear", hear)
            died.set()
            raise ValueError("as a bug would")

        monkeypatch.setattr(boards, "_hear", die)
        until_version(websocket, award(stores, dora.user_id), within=1)  # heard by the call that was waiting
        missed = award(stores, dora.user_id)
        assert died.wait(1)
        until_version(websocket, missed, within=HEALED)
        eventually(lambda: boards._relay.connected, within=HEALED, what="the subscription")
        for _ in range(3):
            until_version(websocket, award(stores, dora.user_id), within=1)
        (record,) = [it for it in caplog.records if it.exc_info]
        assert record.name == "scoreboard.live"
        caplog.clear()


def test_check_that_fails_unforeseen_is_followed_by_the_next(
    stores: Stores, dora: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with in_process(stores, caplog) as server, listening(server, dora.token) as websocket:
        eventually(lambda: server.web.boards._relay.connected, what="the subscription")
        failed = threading.Event()

        def fail_once(*args: Any, **options: Any) -> dict[BoardId, Present]:
            if failed.is_set():
                return publish_all(*args, **options)
            failed.set()
            raise ValueError("as a bug would")

        monkeypatch.setattr(boards, "publish_all", fail_once)
        assert failed.wait(boards.CHECK_EVERY + 1)
        # Neither channel nor key tells of this one.
        with redis.Redis(port=1) as nowhere:
            missed = award(replace(stores, redis=nowhere), dora.user_id)
        until_version(websocket, missed, within=boards.CHECK_EVERY + 2)
        (record,) = [it for it in caplog.records if it.exc_info]
        assert record.getMessage() == "checking the boards failed"
        caplog.clear()


def test_listener_that_raises_keeps_the_board_from_no_other(
    stores: Stores, dora: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ValueError("as a bug would")

    with in_process(stores, caplog) as server, listening(server, dora.token) as websocket:
        board = server.web.board
        eventually(lambda: server.web.boards._relay.connected, what="the subscription")
        board.listen(broken)
        for _ in range(3):
            until_version(websocket, award(stores, dora.user_id))
        board.forget(broken)
        server.call(asyncio.sleep(0))  # the round in which all were told is over
        # Whoever is told first: no error reaches the one who tells.
        assert {it.getMessage() for it in caplog.records if it.exc_info} == {"a board was not sent"}
        caplog.clear()


def test_relay_that_hears_nothing_pings_and_stays(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relay, "PING_EVERY", 0.05)
    monkeypatch.setattr(relay, "DEAD_AFTER", 0.5)

    async def scenario() -> None:
        backend = SupervisedRedis(stores.redis_url)
        await backend.connect()
        await until(lambda: backend.connected)
        began = backend._heard
        await until(lambda: backend._heard > began + 1.5)
        assert backend.connected
        await backend.disconnect()

    asyncio.run(scenario())
    assert not [it.getMessage() for it in caplog.records if it.name == "scoreboard.relay"]


def test_relay_is_not_connected_once_its_connection_is_lost(
    stores: Stores, own_redis: embedded.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        backend = SupervisedRedis(stores.redis_url)
        await backend.connect()
        await until(lambda: backend.connected)
        # Here and not in a thread of the loop's: a store ends with the thread that started it.
        own_redis.kill()
        try:
            await until(lambda: not backend.connected, within=relay.DEAD_AFTER / 2)
        finally:
            own_redis.start()
        await until(lambda: backend.connected)
        await backend.disconnect()

    asyncio.run(scenario())
    assert "the relay lost Redis" in caplog.text


def test_relay_whose_queue_is_full_keeps_the_newest() -> None:
    async def scenario() -> list[str]:
        backend = SupervisedRedis("redis://127.0.0.1:1/0")
        for number in range(relay.QUEUE + 50):
            backend._put(Event("a channel", str(number)))
        heard = [(await backend.next_published()).message for _ in range(relay.QUEUE)]
        await backend.disconnect()
        return heard

    assert asyncio.run(scenario()) == [str(number) for number in range(50, relay.QUEUE + 50)]
