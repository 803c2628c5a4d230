"""Rate limits: a token bucket as a strategy of the `limits` library.

Redis holds the buckets for all processes, and one script call tries all buckets of a request: either each gives its
token or none does. While Redis is away each process keeps buckets of its own, at the same rates.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import redis
from cachetools import LRUCache
from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import RateLimiter
from limits.util import WindowStats

log = logging.getLogger("scoreboard.limits")

LOCAL_FOR = 2.0
"""Seconds for which Redis is left alone after it did not answer: a hung one is not waited for by every batch."""

LOCAL_BUCKETS = 100_000

# KEYS: the buckets. ARGV: for each of them capacity, milliseconds a token takes, tokens to take, tokens it must have.
# A bucket is stored as the tokens it had and when, in milliseconds of Redis's clock; one that is full is not stored.
# Returns for each: tokens left (as text, with fractions). A refusal is told by the first element 0.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local allowed, tokens = 1, {}
for i = 1, #KEYS do
    local capacity, per_token, needs = tonumber(ARGV[4*i-3]), tonumber(ARGV[4*i-2]), tonumber(ARGV[4*i])
    local stored = redis.call('HMGET', KEYS[i], 'tokens', 'at')
    local had, at = tonumber(stored[1]) or capacity, tonumber(stored[2]) or now
    tokens[i] = math.min(capacity, had + math.max(0, now - at) / per_token)
    if tokens[i] < needs then allowed = 0 end
end
local result = {allowed}
for i = 1, #KEYS do
    local capacity, per_token, takes = tonumber(ARGV[4*i-3]), tonumber(ARGV[4*i-2]), tonumber(ARGV[4*i-1])
    if allowed == 1 and takes > 0 then
        tokens[i] = math.max(0, tokens[i] - takes)
        redis.call('HSET', KEYS[i], 'tokens', string.format('%.6f', tokens[i]), 'at', now)
        redis.call('PEXPIRE', KEYS[i], math.ceil((capacity - tokens[i]) * per_token) + 1000)
    end
    result[i + 1] = string.format('%.6f', tokens[i])
end
return result
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket that a request needs a token of: whose it is, under which policy and rate.

    `takes` tokens are taken if the request passes; it passes only if there are `needs` of them.
    """

    policy: str
    rate: RateLimitItem
    owner: str
    takes: int = 1
    needs: int = 1
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"bucket:{self.policy}:{self.owner}")

    @property
    def capacity(self) -> int:
        return self.rate.amount

    @property
    def per_token(self) -> float:
        """Milliseconds until the next token."""
        return self.rate.get_expiry() * 1000 / self.rate.amount


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request passes, and the state of its tightest bucket; times in whole seconds."""

    allowed: bool
    policy: str
    quota: int
    window: int
    remaining: int
    reset: int
    retry_after: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Give the RateLimit fields of the IETF draft."""
        return [
            (b"ratelimit-policy", f'"{self.policy}";q={self.quota};w={self.window}'.encode()),
            (b"ratelimit", f'"{self.policy}";r={self.remaining};t={self.reset}'.encode()),
        ]


Check = tuple[Bucket, ...]
"""All buckets of one request."""


class TokenBucketRateLimiter(RateLimiter):
    """A token bucket strategy for `limits`: capacity is the rate's number, a bucket starts full.

    Args:
        clock: seconds, monotonic, by which the buckets of this process fill.
    """

    def __init__(self, storage: RedisStorage, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(storage)
        self._clock = clock
        self._redis: redis.Redis = storage.storage
        self._prefix = "scoreboard:"
        self._sha = ""
        self._local: LRUCache[str, tuple[float, float]] = LRUCache(LOCAL_BUCKETS)
        self._local_until = -math.inf

    def hit_many(self, checks: Sequence[Check]) -> list[Decision]:
        """Decide many requests in their order, in one round trip."""
        if self._clock() >= self._local_until:
            try:
                return self._hit_in_redis(checks)
            except redis.RedisError as error:
                self._redis_is_away(error)
        return [self._hit_here(check) for check in checks]

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        return self.hit_many([(_bucket(item, identifiers, cost, cost),)])[0].allowed

    def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        return self.hit_many([(_bucket(item, identifiers, 0, cost),)])[0].allowed

    def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        decision = self.hit_many([(_bucket(item, identifiers, 0, 0),)])[0]
        return WindowStats(time.time() + decision.reset, decision.remaining)

    def clear(self, item: RateLimitItem, *identifiers: str) -> None:
        key = _bucket(item, identifiers, 0, 0).key
        self._local.pop(key, None)
        try:
            self._redis.delete(self._prefix + key)
        except redis.RedisError as error:
            self._redis_is_away(error)

    def _redis_is_away(self, error: redis.RedisError) -> None:
        self._local_until = self._clock() + LOCAL_FOR
        log.warning("Redis is away, rate limits are kept in this process: %s", error)

    def _hit_in_redis(self, checks: Sequence[Check]) -> list[Decision]:
        if not self._sha:
            self._sha = self._redis.script_load(_SCRIPT)
        answers = self._call(checks)
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, redis.exceptions.NoScriptError)]
        if unknown:  # Redis was restarted
            self._sha = self._redis.script_load(_SCRIPT)
            for i, answer in zip(unknown, self._call([checks[i] for i in unknown]), strict=True):
                answers[i] = answer
        decisions = []
        for check, answer in zip(checks, answers, strict=True):
            if isinstance(answer, redis.RedisError):
                raise answer
            decisions.append(_decide(check, bool(answer[0]), [float(tokens) for tokens in answer[1:]]))
        return decisions

    def _call(self, checks: Sequence[Check]) -> "list[list[bytes] | redis.RedisError]":
        pipeline = self._redis.pipeline(transaction=False)
        for check in checks:
            keys = [self._prefix + bucket.key for bucket in check]
            args = [arg for it in check for arg in (it.capacity, it.per_token, it.takes, it.needs)]
            pipeline.evalsha(self._sha, len(keys), *keys, *args)
        answers: list[list[bytes] | redis.RedisError] = pipeline.execute(raise_on_error=False)
        return answers

    def _hit_here(self, check: Check) -> Decision:
        now = self._clock() * 1000
        tokens = []
        for bucket in check:
            had, at = self._local.get(bucket.key, (float(bucket.capacity), now))
            tokens.append(min(bucket.capacity, had + (now - at) / bucket.per_token))
        allowed = all(has >= bucket.needs for has, bucket in zip(tokens, check, strict=True))
        if allowed:
            tokens = [max(0.0, has - bucket.takes) for has, bucket in zip(tokens, check, strict=True)]
            for bucket, has in zip(check, tokens, strict=True):
                if bucket.takes:
                    self._local[bucket.key] = (has, now)
        return _decide(check, allowed, tokens)


def _bucket(item: RateLimitItem, identifiers: Sequence[str], takes: int, needs: int) -> Bucket:
    """Give the bucket of one of the library's limits, which has a name for each limit and whom it limits."""
    return Bucket("hit", item, item.key_for(*identifiers), takes, needs)


def _decide(check: Check, allowed: bool, tokens: Sequence[float]) -> Decision:
    """Tell the state of the tightest bucket: the one that refuses for longest, else the one with least left."""
    states = []
    for bucket, has in zip(check, tokens, strict=True):
        wait = 0.0 if allowed else max(0.0, (bucket.needs - has) * bucket.per_token)
        states.append((wait, -has / bucket.capacity, bucket, has))
    wait, _, bucket, has = max(states, key=lambda state: state[:2])
    return Decision(
        allowed=allowed,
        policy=bucket.policy,
        quota=bucket.capacity,
        window=bucket.rate.get_expiry(),
        remaining=math.floor(has),
        reset=math.ceil((bucket.capacity - has) * bucket.per_token / 1000),
        retry_after=max(1, math.ceil(wait / 1000)),
    )
