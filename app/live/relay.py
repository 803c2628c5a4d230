"""A backend for `broadcaster` that outlives Redis.

The library's own Redis backend silently stops receiving when its connection is lost. This one is supervised: it
subscribes again, and sends an empty message to say that others may have been missed.
"""

import asyncio
import logging
import time

import redis.asyncio
from broadcaster import BroadcastBackend, Event
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from db.redis import RELAY_CHANNEL

log = logging.getLogger("scoreboard.relay")

RESYNC = ""
"""The message that says: others may have been missed, read the board."""

PING_EVERY = 2.0
DEAD_AFTER = 6.0
"""Seconds of silence, pings unanswered, after which the connection is given up."""
LONGEST_WAIT = 2.0
QUEUE = 256


class SupervisedRedis(BroadcastBackend):
    """Subscribes to Redis channels on one connection that is made again whenever it is lost."""

    def __init__(self, url: str) -> None:
        self._redis = redis.asyncio.Redis.from_url(
            url,
            socket_connect_timeout=2,
            socket_timeout=2,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        self._channels: set[str] = set()
        self._events: asyncio.Queue[Event] = asyncio.Queue(QUEUE)
        self._pubsub: redis.asyncio.client.PubSub | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._heard = 0.0

    @property
    def connected(self) -> bool:
        """Whether messages that are published now would be heard."""
        return self._pubsub is not None and time.monotonic() - self._heard < DEAD_AFTER

    async def connect(self) -> None:
        self._supervisor = asyncio.create_task(self._supervise(), name="relay")

    async def disconnect(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._redis.aclose()

    async def subscribe(self, channel: str) -> None:
        self._channels.add(channel)
        if self._pubsub is not None:
            await self._pubsub.subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        self._channels.discard(channel)

    async def publish(self, channel: str, message: str) -> None:
        await self._redis.publish(channel, message)

    async def next_published(self) -> Event:
        return await self._events.get()

    async def _supervise(self) -> None:
        wait = 0.1
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    asked = set(self._channels)
                    await pubsub.subscribe(RELAY_CHANNEL, *asked)
                    self._pubsub, self._heard, wait = pubsub, time.monotonic(), 0.1
                    if late := self._channels - asked:
                        await pubsub.subscribe(*late)
                    await self._listen(pubsub)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("the relay lost Redis (%s), next try in %.1f s", error or type(error).__name__, wait)
            except Exception:
                log.exception("the relay failed, next try in %.1f s", wait)
            finally:
                self._pubsub = None
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _listen(self, pubsub: "redis.asyncio.client.PubSub") -> None:
        while True:
            message = await pubsub.get_message(timeout=PING_EVERY)
            if message is None:
                if time.monotonic() - self._heard > DEAD_AFTER:
                    raise TimeoutError("no answer to pings")
                await pubsub.ping()
                continue
            self._heard = time.monotonic()
            channel = message["channel"].decode() if message["channel"] else ""
            if channel not in self._channels:
                continue
            if message["type"] == "subscribe":
                self._put(Event(channel, RESYNC))
            elif message["type"] == "message":
                self._put(Event(channel, message["data"].decode(errors="replace")))

    def _put(self, event: Event) -> None:
        if self._events.full():
            # Each message is a whole board, so the oldest can go.
            self._events.get_nowait()
        self._events.put_nowait(event)
