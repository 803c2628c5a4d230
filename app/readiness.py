"""Whether what a web process needs is there, asked of the database and Redis themselves."""

import asyncio
from typing import Literal

import msgspec
import sqlalchemy as sa
from redis.exceptions import RedisError, ResponseError

from app.concurrency.threads import Threads
from app.domain.errors import ScoreboardError
from app.live.relay import SupervisedRedis
from db import redis
from db.redis import WORKER_SEEN_KEY, Redis
from db.redis_connection import ReadOnly as RedisReadOnly
from db.transaction import ReadOnly, check_writable

Word = Literal["ok", "read-only", "down"]


class Checks(msgspec.Struct, frozen=True):
    """What the process needs, and whether it is there."""

    database: Word
    redis: Word
    relay: Word
    worker: Word


READY = Checks("ok", "ok", "ok", "ok")


async def check(engine: sa.Engine, cache: Redis, relay: SupervisedRedis, threads: Threads) -> Checks:
    """Ask the database and Redis at the same time."""
    database, (redis_, worker) = await asyncio.gather(_database(engine, threads), _redis(cache, threads))
    return Checks(database, redis_, "ok" if relay.connected else "down", worker)


async def _database(engine: sa.Engine, threads: Threads) -> Word:
    try:
        await threads.run(check_writable, engine)
    except ReadOnly:
        return "read-only"
    except ScoreboardError:
        return "down"
    return "ok"


async def _redis(cache: Redis, threads: Threads) -> tuple[Word, Word]:
    """Return the state of Redis, and of the worker, which is seen there."""
    state: Word
    try:
        await threads.run(redis.check_writable, cache)
        state = "ok"
    except RedisReadOnly:
        state = "read-only"
    except ResponseError:  # it is full, and can be read
        state = "down"
    except (RedisError, ScoreboardError):
        return "down", "down"
    try:
        return state, "ok" if await threads.run(cache.exists, WORKER_SEEN_KEY) else "down"
    except (RedisError, ScoreboardError):
        return state, "down"
