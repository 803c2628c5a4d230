"""Rate limits: a token bucket as a strategy of the `limits` library.

Redis holds the buckets for all processes, and one script call tries all buckets of a request: either each gives its
token or none does. While Redis is away each process keeps buckets of its own, at the same rates.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import redis
from cachetools import LRUCache
from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.aio.strategies import RateLimiter
from limits.util import WindowStats

from db.redis import AsyncRedis, token_bucket_key

log = logging.getLogger("scoreboard.limits")

LOCAL_FOR = 2.0
"""Seconds without a call to Redis after it did not answer, so that not every batch waits for a hung server."""

LOCAL_BUCKETS = 100_000

# KEYS: the buckets, each once. ARGV[1], packed: for each request four numbers for each of its buckets: its place in
# KEYS, the microseconds in which an empty one fills, those of the tokens to take, and those of the tokens that it must
# have. A bucket is stored as a moment of Redis's clock and how long it then took to be full, both in microseconds, and
# not at all once it is. Returns for each request whether it passes, and for each of its buckets the microseconds until
# it is full. Requests are decided in their order.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local missing, changed, results = {}, {}, {}
for place, stored in ipairs(redis.call('MGET', unpack(KEYS))) do
    local left = 0
    if stored and #stored == 16 then
        local at, had = struct.unpack('<dd', stored)
        left = math.max(0, had - math.max(0, now - at))
    end
    missing[place] = left == left and left or 0
end
for r, request in ipairs(cmsgpack.unpack(ARGV[1])) do
    local result, n = {1}, 1
    for i = 1, #request, 4 do
        local left = math.min(missing[request[i]], request[i + 1])
        n = n + 1
        result[n] = left
        -- One more microsecond: what is stored is rounded.
        if request[i + 1] - left + 1 < request[i + 3] then result[1] = 0 end
    end
    if result[1] == 1 then
        n = 1
        for i = 1, #request, 4 do
            n = n + 1
            local takes = request[i + 2]
            if takes > 0 then
                local place, left = request[i], math.min(result[n] + takes, request[i + 1])
                result[n] = left
                missing[place] = left
                changed[place] = true
            end
        end
    end
    results[r] = result
end
for place in pairs(changed) do
    local left = missing[place]
    redis.call('SET', KEYS[place], struct.pack('<dd', now, left), 'PX', math.ceil(left / 1000) + 1000)
end
return results
"""


class Policy(NamedTuple):
    """A rate under its name; a bucket's capacity in tokens, its window in seconds, a token's wait in milliseconds."""

    name: str
    capacity: int
    window: int
    per_token: float

    @classmethod
    def of(cls, name: str, rate: RateLimitItem) -> "Policy":
        """Compute a rate's numbers once: they are needed for each bucket of each request."""
        window = rate.get_expiry()
        return cls(name, rate.amount, window, window * 1000 / rate.amount)


class Bucket(NamedTuple):
    """One bucket that a request must pass: the policy, and the user, account or address that it limits.

    `takes` tokens are taken if the request passes; it passes only if there are `needs` of them.
    """

    policy: Policy
    owner: str
    takes: int = 1
    needs: int = 1

    @property
    def key(self) -> str:
        return token_bucket_key(self.policy.name, self.owner)


class Decision(NamedTuple):
    """Whether a request passes, and the state of its tightest bucket; times in whole seconds.

    `left` are the tokens that each of its buckets has left, in their order.
    """

    allowed: bool
    policy: str
    quota: int
    window: int
    remaining: int
    reset: int
    retry_after: int
    left: Sequence[float]

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the RateLimit fields of the IETF draft."""
        return [
            (b"ratelimit-policy", f'"{self.policy}";q={self.quota};w={self.window}'.encode()),
            (b"ratelimit", f'"{self.policy}";r={self.remaining};t={self.reset}'.encode()),
        ]


Check = tuple[Bucket, ...]
"""All buckets of one request."""


class TokenBucketRateLimiter(RateLimiter):
    """A token bucket strategy for `limits`: capacity is the rate's number, a bucket starts full.

    The service calls `hit_many` alone. `hit`, `test`, `get_window_stats` and `clear` are the interface of a strategy of
    the library, which the contract asks for (docs/contract.md, section 5); so is the storage on the client's pool.

    Args:
        clock: seconds, monotonic, by which the buckets of this process fill.
    """

    def __init__(self, client: AsyncRedis, *, clock: Callable[[], float] = time.monotonic) -> None:
        pool: Any = client.connection_pool
        super().__init__(RedisStorage("redis://", implementation="redispy", connection_pool=pool))
        self._clock = clock
        self._redis = client
        self._sha = "0" * 40
        self._local: LRUCache[str, tuple[float, float]] = LRUCache(LOCAL_BUCKETS)
        self._local_until = -math.inf

    async def hit_many(self, checks: Sequence[Check]) -> list[Decision]:
        """Decide many requests in their order, in one round trip."""
        if self._clock() >= self._local_until:
            try:
                return await self._hit_in_redis(checks)
            except redis.RedisError as error:
                self._redis_is_away(error)
        return [self._hit_here(check) for check in checks]

    async def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        return (await self.hit_many([(_bucket(item, identifiers, cost, cost),)]))[0].allowed

    async def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        return (await self.hit_many([(_bucket(item, identifiers, 0, cost),)]))[0].allowed

    async def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        (decision,) = await self.hit_many([(_bucket(item, identifiers, 0, 0),)])
        return WindowStats(time.time() + decision.reset, decision.remaining)

    async def clear(self, item: RateLimitItem, *identifiers: str) -> None:
        key = _bucket(item, identifiers, 0, 0).key
        self._local.pop(key, None)
        try:
            await self._redis.delete(key)
        except redis.RedisError as error:
            self._redis_is_away(error)

    def _redis_is_away(self, error: redis.RedisError) -> None:
        self._local_until = self._clock() + LOCAL_FOR
        log.warning("Redis is away, rate limits are kept in this process: %s", error)

    async def _hit_in_redis(self, checks: Sequence[Check]) -> list[Decision]:
        if not checks:
            return []
        places: dict[str, int] = {}
        packed = msgspec.msgpack.encode([self._packed(check, places) for check in checks])
        try:
            answers = await self._redis.evalsha(self._sha, len(places), *places, packed)
        except redis.exceptions.NoScriptError:  # the first time, and after Redis was restarted
            self._sha = await self._redis.script_load(_SCRIPT)
            answers = await self._redis.evalsha(self._sha, len(places), *places, packed)
        decisions = []
        for check, (allowed, *missing) in zip(checks, answers, strict=True):
            tokens = [
                it.policy.capacity - us / 1000 / it.policy.per_token for it, us in zip(check, missing, strict=True)
            ]
            decisions.append(_decide(check, bool(allowed), tokens))
        return decisions

    def _packed(self, check: Check, places: dict[str, int]) -> list[float]:
        numbers: list[float] = []
        for (name, capacity, _, per_token), owner, takes, needs in check:
            place = places.setdefault(token_bucket_key(name, owner), len(places) + 1)
            token = per_token * 1000
            numbers += (place, capacity * token, takes * token, needs * token)
        return numbers

    def _hit_here(self, check: Check) -> Decision:
        now = self._clock() * 1000
        tokens = []
        for bucket in check:
            policy = bucket.policy
            had, at = self._local.get(bucket.key, (float(policy.capacity), now))
            tokens.append(min(policy.capacity, had + (now - at) / policy.per_token))
        allowed = all(has >= bucket.needs for has, bucket in zip(tokens, check, strict=True))
        if allowed:
            tokens = [max(0.0, has - bucket.takes) for has, bucket in zip(tokens, check, strict=True)]
            for bucket, has in zip(check, tokens, strict=True):
                if bucket.takes:
                    self._local[bucket.key] = (has, now)
        return _decide(check, allowed, tokens)


def _bucket(item: RateLimitItem, identifiers: Sequence[str], takes: int, needs: int) -> Bucket:
    """Return the bucket of one of the library's limits."""
    return Bucket(Policy.of("hit", item), item.key_for(*identifiers), takes, needs)


def _decide(check: Check, allowed: bool, tokens: Sequence[float]) -> Decision:
    """Return the state of the tightest bucket: the longest wait, else the fewest tokens left."""
    tightest, left, longest = check[0].policy, tokens[0], -1.0
    for (policy, _, _, needs), has in zip(check, tokens, strict=True):
        wait = 0.0 if allowed else max(0.0, (needs - has) * policy.per_token)
        if wait > longest or (wait == longest and has / policy.capacity < left / tightest.capacity):
            tightest, left, longest = policy, has, wait
    return Decision(
        allowed=allowed,
        policy=tightest.name,
        quota=tightest.capacity,
        window=tightest.window,
        remaining=math.floor(left),
        reset=math.ceil((tightest.capacity - left) * tightest.per_token / 1000),
        retry_after=max(1, math.ceil(longest / 1000)),
        left=tokens,
    )
