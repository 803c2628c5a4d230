"""Redis: every key, channel and script of the project, and clients whose every wait is bounded."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from app.domain.ids import DEFAULT_BOARD
from app.domain.messages import Update
from app.domain.signing import UNSIGNED, Signer
from config.settings import Settings
from db import redis_connection

log = logging.getLogger("scoreboard.publish")

TOP_SCORES_CHANNEL = "top_scores_updates"
RELAY_CHANNEL = "scoreboard:relay"
"""Nothing is published here: it keeps the pub/sub connection subscribed when nothing else does."""
AUDIT_CURSOR_KEY = "scoreboard:audit-cursor"
AUDIT_RESULT_KEY = "scoreboard:audit"
AUDIT_RESULT_TTL = 7 * 24 * 3600
TO_RESTORE_KEY = "scoreboard:forgiven"
"""Actions whose last attempt at settling is to be taken back as soon as the database answers."""
TO_RESTORE_TTL = 24 * 3600
WORKER_SEEN_KEY = "scoreboard:worker-seen"
_WRITABLE_KEY = "scoreboard:writable"
WORKER_SEEN_TTL = 15
"""Seconds after the last sweep for which a worker counts as alive."""

Redis = redis.Redis
AsyncRedis = redis.asyncio.Redis


def top_scores_key(board_id: str) -> str:
    """Return the key that holds a board's newest message; the name is part of the contract."""
    return "top_scores:10" if board_id == DEFAULT_BOARD else f"top_scores:10:{board_id}"


def top_scores_channel(board_id: str) -> str:
    """Return the channel that a board's newest message is published on; the name is part of the contract."""
    return TOP_SCORES_CHANNEL if board_id == DEFAULT_BOARD else f"{TOP_SCORES_CHANNEL}:{board_id}"


def token_bucket_key(policy: str, owner: str) -> str:
    """Return the key of the token bucket that mosts `owner` under a policy."""
    return f"scoreboard:tokens:{policy}:{owner}"


def connect(url: str, *, timeout: float, retries: int = 1, connections: int = 100) -> Redis:
    """Make a client; no connection is opened yet.

    Args:
        timeout: seconds that connecting, every command, and the wait for a free connection may take.
        retries: further attempts after a connection error, without which the first command after a restart of Redis
            fails on a stale connection. A time-out is never tried again.
        connections: at most so many at once. Those that were opened stay open.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        **_bounds(timeout),
        retry=Retry(*_repeat(retries)),
        connection_class=redis_connection.for_address(url),
        max_connections=connections,
        timeout=timeout,
    )
    return redis.Redis.from_pool(pool)


def connect_on_loop(url: str, *, timeout: float, retries: int = 1) -> AsyncRedis:
    """Make a client like `connect` does, for an event loop."""
    kind = redis_connection.for_address_on_loop(url)
    return AsyncRedis.from_url(url, **_bounds(timeout), retry=AsyncRetry(*_repeat(retries)), connection_class=kind)


async def check_writable(client: AsyncRedis) -> None:
    """Ask whether Redis takes writes, by one that leaves nothing behind.

    Raises:
        ReadOnly: when it is a replica.
        redis.RedisError: when it is away, or full.
    """
    await client.set(_WRITABLE_KEY, b"1", px=1)


def _bounds(timeout: float) -> dict[str, Any]:
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout, "socket_keepalive": True}


def _repeat(retries: int) -> tuple[Any, int, Any]:
    return ExponentialWithJitterBackoff(base=0.01, cap=0.1), retries, (redis.exceptions.ConnectionError,)


# KEYS: the boards' keys. ARGV: of each board channel ("" for: on another server), message, epoch, version, and what the
# key must hold to be overwritten by force ("" for: only when it holds nothing newer).
# Returns for each 1 when the message was taken, else 0; and what the key holds, unless that is the message.
_PUBLISH = """
local function publish(key, channel, message, epoch, version, instead_of)
    local held = redis.pcall('GET', key)
    if type(held) == 'table' then held = false end  -- no string: SET replaces it
    if held == message then return {0} end
    if held and held ~= instead_of then
        local ok, other = pcall(cjson.decode, held)
        if ok and type(other) == 'table' and type(other.epoch) == 'string' and type(other.version) == 'number' then
            local older = other.epoch < epoch or (other.epoch == epoch and other.version < tonumber(version))
            if not older then return {0, held} end
        end
    end
    redis.call('SET', key, message)
    if channel ~= '' then redis.call('PUBLISH', channel, message) end
    return {1}
end
local outcomes = {}
for i, key in ipairs(KEYS) do
    outcomes[i] = publish(key, unpack(ARGV, 5 * i - 4, 5 * i))
end
return outcomes
"""


class Outcome(NamedTuple):
    """Whether a message was taken, and what the key holds instead of it; None when it holds the message."""

    taken: bool
    instead: bytes | None


@dataclass(frozen=True, slots=True)
class Publisher:
    """Puts boards' messages into their keys and onto their channels, those that are newer than what is there.

    `channels`: another server, which has the channels alone; None where keys and channels are on one.
    """

    client: Redis
    script: Any
    signer: Signer
    channels: Redis | None = None

    @classmethod
    def on(cls, client: Redis, signer: Signer = UNSIGNED, channels: Redis | None = None) -> "Publisher":
        return cls(client, client.register_script(_PUBLISH), signer, channels)

    def publish(self, updates: Sequence[Update], *, instead_of: bytes = b"") -> list[Outcome]:
        """Publish messages of different boards, together in one round trip.

        Args:
            instead_of: what a key must hold for its message to be taken although it isn't newer.

        Raises:
            redis.RedisError: when Redis is away.
        """
        names = [top_scores_channel(it.board) for it in updates]
        about = [
            (name if self.channels is None else "", it.text, *it.stamp, instead_of)
            for name, it in zip(names, updates, strict=True)
        ]
        keys = [top_scores_key(it.board) for it in updates]
        found = self.script(keys=keys, args=list(chain.from_iterable(about)))
        outcomes = [Outcome(bool(taken), instead[0] if instead else None) for taken, *instead in found]
        if self.channels is not None:
            taken = [
                (name, it.text) for name, it, outcome in zip(names, updates, outcomes, strict=True) if outcome.taken
            ]
            _send(self.channels, taken)
        return outcomes

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        if self.channels is not None:
            self.channels.close()


def _send(channels: Redis, messages: Sequence[tuple[str, str]]) -> None:
    """Publish messages, in one round trip. One that is lost is found by the web processes' own look at the boards."""
    if not messages:
        return
    try:
        with channels.pipeline(transaction=False) as pipeline:
            for channel, text in messages:
                pipeline.publish(channel, text)
            pipeline.execute()
    except redis.RedisError as error:
        log.warning("the server of PUBSUB_URL is away, boards are not announced: %s", error)


def connect_channels(settings: Settings, *, timeout: float) -> Redis | None:
    """Make the client that publishes on a server of its own; None where PUBSUB_URL names none."""
    if settings.pubsub_url == settings.redis_url:
        return None
    return connect(settings.pubsub_url, timeout=timeout, connections=1)
