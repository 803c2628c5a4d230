"""Service keys: whether one is good, kept in memory and never older than seconds.

Each process polls all keys that are neither revoked nor expired, which are few, and so learns of those that were
revoked. While the database is away the keys that it knows go on, as tokens do.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from cachetools import TTLCache

from app.concurrency.batching import Batcher
from app.concurrency.threads import Threads
from app.domain.errors import MissingScope, ScoreboardError, Unauthorized
from app.domain.service_keys import PREFIX, KeyId, KeyScope, digest
from db import service_keys
from db.service_keys import LiveKey
from db.transaction import in_statement, on_loop

log = logging.getLogger("scoreboard.keys")

POLL_EVERY = 2.0
USE_WRITTEN_EVERY = 60.0
"""Seconds after which one process writes again that a key was used."""
UNKNOWN_FOR = 60.0
"""Seconds for which a key that doesn't exist isn't looked up again: nobody knows one before it is stored."""
REMEMBERED = 10_000
_NEVER = 10 * 365 * 24 * 3600.0
"""Seconds after which a key ends that never expires: no process lives that long, and timers take it."""


class ServiceKey(NamedTuple):
    """A key that is good until a moment of this process's monotonic clock, if it isn't revoked before."""

    key_id: KeyId
    name: str
    scopes: frozenset[KeyScope]
    until: float

    @property
    def actor(self) -> str:
        """Who it was, in audit events."""
        return f"key:{self.name}"

    def check(self, scope: KeyScope) -> None:
        """Check that the key has a scope.

        Raises:
            MissingScope: when it hasn't.
        """
        if scope not in self.scopes:
            raise MissingScope(f"This needs a service key with the scope {scope}.")


def is_key(token: str) -> bool:
    """Return whether a bearer token names a service key."""
    return token.startswith(PREFIX)


class Keys:
    """All keys that are good, at most seconds older than the database.

    `on_end(key_ids)` is called for keys that this process knew, once they are revoked or expired.
    """

    def __init__(self, engine: sa.Engine, threads: Threads, on_end: Callable[[Collection[KeyId]], None]) -> None:
        self._engine = engine
        self._threads = threads
        self._on_end = on_end
        self._live: dict[str, ServiceKey] = {}
        self._unknown: TTLCache[str, bool] = TTLCache(REMEMBERED, UNKNOWN_FOR)
        self._lookups: Batcher[str, ServiceKey | None] = Batcher("keys", self._learn, lanes=1, patience=2.5)
        self._used: set[KeyId] = set()
        self._written: dict[KeyId, float] = {}

    def known(self, token: str) -> ServiceKey | None:
        """Return the key, if this process has it."""
        key = self._live.get(digest(token))
        if key is None or key.until <= time.monotonic():
            return None
        self._used.add(key.key_id)
        return key

    async def find(self, token: str) -> ServiceKey:
        """Return a key that this process doesn't have: one that was just made, or a wrong one.

        Raises:
            Unauthorized: when it doesn't exist, or is revoked or expired.
            Unavailable: when the database is away.
        """
        wanted = digest(token)
        key = None if wanted in self._unknown else await self._lookups.submit(wanted)
        if key is None:
            raise Unauthorized("The service key is unknown, revoked or expired.")
        self._used.add(key.key_id)
        return key

    def forget(self, key_id: KeyId) -> None:
        """Refuse a key that was revoked here, without waiting for the next poll."""
        self._live = {it: key for it, key in self._live.items() if key.key_id != key_id}
        self._on_end([key_id])

    async def poll_for_ever(self) -> None:
        """Poll the keys, and write which were used, until cancelled."""
        while True:
            try:
                await self._poll()
            except ScoreboardError as error:
                log.debug("service keys can't be polled: %s", error)
            except Exception:
                log.exception("polling service keys failed")
            await asyncio.sleep(POLL_EVERY)

    async def _poll(self) -> None:
        before = dict(self._live)
        found = _timed(await self._threads.run(in_statement, self._engine, service_keys.live))
        # Who was found meanwhile may be newer than what was read.
        self._live = found | {it: key for it, key in self._live.items() if it not in before}
        self._on_end([key.key_id for it, key in before.items() if it not in found])
        here = {key.key_id for key in self._live.values()}
        self._written = {key_id: at for key_id, at in self._written.items() if key_id in here}
        now = time.monotonic()
        due = {it for it in self._used if now - self._written.get(it, -math.inf) >= USE_WRITTEN_EVERY}
        if due:
            await self._threads.run(in_statement, self._engine, lambda conn: service_keys.used(conn, due))
            self._written |= dict.fromkeys(due & here, now)
            self._used -= due

    async def _learn(self, digests: Sequence[str]) -> Sequence[ServiceKey | None]:
        found = await on_loop(self._engine, _look_up, digests)
        learnt = _timed(found)
        self._live |= learnt
        self._unknown.update({it: True for it in digests if it not in learnt})
        return [learnt.get(it) for it in digests]

    @property
    def unanswered(self) -> int:
        """The number of requests that wait for a key to be looked up."""
        return self._lookups.unanswered

    def close(self) -> None:
        self._lookups.close()


def _look_up(engine: sa.Engine, digests: Sequence[str]) -> list[LiveKey]:
    return in_statement(engine, lambda conn: service_keys.find(conn, digests))


def _timed(keys: Iterable[LiveKey]) -> dict[str, ServiceKey]:
    """Return keys by their digests. How long they are good is counted from here: no two clocks need to agree."""
    now = time.monotonic()
    return {
        key.digest: ServiceKey(
            key.key_id,
            key.name,
            frozenset(key.scopes),
            now + (_NEVER if key.seconds_left is None else key.seconds_left),
        )
        for key in keys
    }
