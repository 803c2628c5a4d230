"""Whether what a web process needs is there, asked of the database and Redis themselves."""

import asyncio
from typing import Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from redis.exceptions import RedisError, ResponseError

from app.concurrency.threads import Threads
from app.domain.errors import ScoreboardError
from app.live.relay import SupervisedRedis
from db import redis
from db.redis import WORKER_SEEN_KEY, AsyncRedis
from db.redis_connection import ReadOnly as RedisReadOnly
from db.replica import Replica
from db.replica import Word as ReplicaWord
from db.transaction import ReadOnly, check_writable

Word = Literal["ok", "read-only", "down"]


class Checks(msgspec.Struct, frozen=True):
    """What the process needs, and whether it is there."""

    database: Word
    redis: Word
    relay: Word
    worker: Word
    replica: ReplicaWord | UnsetType = UNSET
    """There where the settings name one; none of what is said depends on it, or on how far it is behind."""

    @property
    def complete(self) -> bool:
        """Whether everything is there."""
        return all(it in ("ok", UNSET) for it in msgspec.structs.astuple(self))


async def check(
    engine: sa.Engine, cache: AsyncRedis, relay: SupervisedRedis, threads: Threads, replica: Replica | None = None
) -> Checks:
    """Ask the database and Redis at the same time: Redis on the loop, as all threads may be waiting for the database.

    The answer comes as soon as that of a thread must.
    """
    database, (redis_, worker) = await asyncio.gather(_database(engine, threads), _redis(cache))
    follows = UNSET if replica is None or replica.engine is None else replica.word
    return Checks(database, redis_, "ok" if relay.connected else "down", worker, follows)


async def _database(engine: sa.Engine, threads: Threads) -> Word:
    try:
        await threads.run(check_writable, engine)
    except ReadOnly:
        return "read-only"
    except ScoreboardError:
        return "down"
    return "ok"


async def _redis(cache: AsyncRedis) -> tuple[Word, Word]:
    """Return the state of Redis, and of the worker, which is seen there."""
    state: Word
    try:
        await redis.check_writable(cache)
        state = "ok"
    except RedisReadOnly:
        state = "read-only"
    except ResponseError:  # it is full, and can be read
        state = "down"
    except RedisError:
        return "down", "down"
    try:
        return state, "ok" if await cache.exists(WORKER_SEEN_KEY) else "down"
    except RedisError:
        return state, "down"
