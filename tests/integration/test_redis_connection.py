"""Connections to a Redis that has become a replica are closed, whoever holds them: the address may lead elsewhere."""

import asyncio
from collections.abc import Iterator

import pytest
import redis

from app.access.token_bucket import Bucket, Policy, TokenBucketRateLimiter
from app.domain.ids import DEFAULT_BOARD, ActionId, new_id
from app.domain.messages import Update
from app.enqueue import Enqueuer
from config import queues, values
from db.redis import AsyncRedis, Publisher, check_writable, connect, connect_on_loop
from db.redis_connection import ReadOnly
from dev import embedded
from tests.support.loop import until
from tests.support.service import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Redis]:
    with embedded.Redis(tmp_path_factory.mktemp("redis") / "redis") as server:
        yield server


@pytest.fixture
def operator(server: embedded.Redis) -> Iterator[redis.Redis]:
    """An operator's own connection; the server takes writes before and after."""
    with redis.Redis.from_url(server.url) as client:
        yield client
        client.replicaof("NO", "ONE")


def demote(operator: redis.Redis) -> None:
    operator.replicaof("127.0.0.1", free_port())


def clients(operator: redis.Redis) -> set[str]:
    """Return the ids of all connections but the operator's."""
    return {it["id"] for it in operator.client_list()} - {str(operator.client_id())}


NOTHING = Update(DEFAULT_BOARD, ("e", 1), "{}", b"[]", "2026-01-01T00:00:00.000Z")


def test_client_leaves_a_replica(server: embedded.Redis, operator: redis.Redis) -> None:
    client = connect(server.url, timeout=1)
    before = client.client_id()
    demote(operator)
    with pytest.raises(ReadOnly):
        Publisher.on(client).publish([NOTHING])
    assert str(before) not in clients(operator)
    operator.replicaof("NO", "ONE")
    Publisher.on(client).publish([NOTHING])
    client.close()


def test_client_on_a_loop_leaves_a_replica(server: embedded.Redis, operator: redis.Redis) -> None:
    async def scenario(client: AsyncRedis) -> None:
        await check_writable(client)
        before = await client.client_id()
        demote(operator)
        with pytest.raises(ReadOnly):
            await check_writable(client)
        assert str(before) not in clients(operator)
        operator.replicaof("NO", "ONE")
        await check_writable(client)
        await client.aclose()

    asyncio.run(scenario(connect_on_loop(server.url, timeout=1)))


def test_limiter_leaves_a_replica(server: embedded.Redis, operator: redis.Redis) -> None:
    rate = values.rate("10/minute")
    assert rate
    check = (Bucket(Policy.of("create", rate), "somebody"),)

    async def scenario() -> None:
        client = connect_on_loop(server.url, timeout=1)
        now = 0.0
        limiter = TokenBucketRateLimiter(client, clock=lambda: now)
        (first,) = await limiter.hit_many([check])
        before = await client.client_id()
        demote(operator)
        (here,) = await limiter.hit_many([check])
        assert str(before) not in clients(operator)
        operator.replicaof("NO", "ONE")
        now = 10.0
        (second,) = await limiter.hit_many([check])
        assert (first.remaining, here.remaining, second.remaining) == (9, 9, 8)
        await client.aclose()

    asyncio.run(scenario())


def test_celery_leaves_a_replica(server: embedded.Redis, operator: redis.Redis) -> None:
    operator.flushall()
    enqueuer = Enqueuer(server.url)

    async def scenario() -> None:
        enqueuer.completed(ActionId(new_id()), "request")
        await until(lambda: operator.llen(queues.SETTLE_QUEUE) == 1)
        (sender,) = (it["id"] for it in operator.client_list() if it["cmd"] == "lpush")
        demote(operator)
        enqueuer.completed(ActionId(new_id()), "request")
        await until(lambda: sender not in clients(operator))
        operator.replicaof("NO", "ONE")
        enqueuer.completed(ActionId(new_id()), "request")
        await until(lambda: operator.llen(queues.SETTLE_QUEUE) == 2)
        await enqueuer.close()

    asyncio.run(scenario())
