"""The token bucket on a real Redis, the one in the process beside it, and the way from one to the other."""

import asyncio
import itertools
import logging
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import limits
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import RateLimitItem

from app.access import token_bucket as module
from app.access.token_bucket import Bucket, Check, Decision, Policy, TokenBucketRateLimiter
from app.concurrency.batching import LIMIT
from db import redis as connections
from dev.embedded import Redis
from tests.support.clock import now
from tests.support.service import Stores

PER_HOUR = limits.parse("3/hour")
"""A rate so slow that nothing fills while a test runs."""


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Limiter:
    """A limiter as the web process has it, whose answers are waited for."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.client = connections.connect_on_loop(url, timeout=0.5)
        self.limiter = TokenBucketRateLimiter(self.client, clock=clock or time.monotonic)
        self.runner = asyncio.Runner()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.limiter, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await method(*args, **kwargs)

        return lambda *args, **kwargs: self.runner.run(call(*args, **kwargs))

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()


@pytest.fixture(scope="module")
def limiter(stores: Stores) -> Iterator[Limiter]:
    """A limiter whose Redis is there."""
    with closing(Limiter(stores.redis_url)) as limiter:
        yield limiter


Make = Callable[[str, Clock], Limiter]
AWAY = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def limiter_on() -> Iterator[Make]:
    """Makes limiters."""
    with ExitStack() as stack:
        yield lambda url, clock: stack.enter_context(closing(Limiter(url, clock)))


@pytest.fixture
def local(limiter_on: Make) -> Limiter:
    """A limiter whose Redis is away."""
    return limiter_on(AWAY, Clock())


@pytest.fixture(params=["in Redis", "in the process"])
def either(request: pytest.FixtureRequest, limiter: Limiter, local: Limiter) -> Limiter:
    """A limiter whose buckets are in Redis, and one whose buckets are in the process."""
    return limiter if request.param == "in Redis" else local


@pytest.fixture
def owner() -> str:
    """A name that no other test has."""
    return uuid.uuid4().hex


def bucket(
    owner: str, rate: RateLimitItem = PER_HOUR, *, policy: str = "test", takes: int = 1, needs: int = 1
) -> Bucket:
    return Bucket(Policy.of(policy, rate), owner, takes, needs)


def hit(limiter: Limiter, *buckets: Bucket) -> Decision:
    (decision,) = limiter.hit_many([buckets])
    assert isinstance(decision, Decision)
    return decision


def left(limiter: Limiter, of: Bucket) -> int:
    """Return the whole tokens in a bucket, without taking one."""
    return hit(limiter, Bucket(of.policy, of.owner, 0, 0)).remaining


def key(of: Bucket) -> str:
    return of.key


def pass_in_redis(client: "redis.Redis", seconds: float, *buckets: Bucket) -> None:
    """Let time pass for buckets in Redis: they were last touched so much earlier."""
    for it in buckets:
        stored = client.get(key(it))
        if stored is not None:
            assert isinstance(stored, bytes)
            at, missing = struct.unpack("<dd", stored)
            client.set(key(it), struct.pack("<dd", at - seconds * 1_000_000, missing), keepttl=True)


@pytest.mark.parametrize("text", ["1/minute", "3/hour", "10/2 minutes", "1000/day"])
def test_bucket_starts_full_with_the_rates_number_of_tokens(text: str, either: Limiter, owner: str) -> None:
    rate = limits.parse(text)
    passed = [hit(either, bucket(owner, rate)) for _ in range(rate.amount + 2)]
    assert [it.allowed for it in passed] == [True] * rate.amount + [False] * 2
    assert [it.remaining for it in passed] == [*reversed(range(rate.amount)), 0, 0]
    assert {(it.policy, it.quota, it.window) for it in passed} == {("test", rate.amount, rate.get_expiry())}


def test_refusal_tells_when_the_next_token_comes(either: Limiter, owner: str) -> None:
    first, _, third, refused = (hit(either, bucket(owner)) for _ in range(4))
    assert 1199 <= first.reset <= 1200
    assert 3598 <= third.reset <= 3600
    assert not refused.allowed
    assert 1198 <= refused.retry_after <= 1200
    assert 3598 <= refused.reset <= 3600
    assert first.retry_after >= 1
    assert refused.headers()[0] == (b"ratelimit-policy", b'"test";q=3;w=3600')
    assert refused.headers()[1][1].startswith(b'"test";r=0;t=3')


def test_retry_after_is_rounded_up(either: Limiter, owner: str) -> None:
    of = bucket(owner, limits.parse("1/9 seconds"))
    hit(either, of)
    # Almost nine seconds; whoever came after eight would be refused again.
    assert hit(either, of).retry_after == 9


def test_bucket_in_redis_fills_at_its_rate_up_to_its_capacity(limiter: Limiter, stores: Stores, owner: str) -> None:
    mine = bucket(owner)
    for _ in range(3):
        assert hit(limiter, mine).allowed
    for seconds, tokens in ((0, 0), (1100, 0), (101, 1), (1200, 2), (1200, 3), (7200, 3)):
        pass_in_redis(stores.redis, seconds, mine)
        assert left(limiter, mine) == tokens
    assert hit(limiter, mine).remaining == 2


def test_bucket_in_the_process_fills_at_its_rate_to_capacity(limiter_on: Make, owner: str) -> None:
    clock = Clock()
    away = limiter_on(AWAY, clock)
    mine = bucket(owner)
    for _ in range(3):
        assert hit(away, mine).allowed
    for seconds, tokens in ((0, 0), (1100, 0), (101, 1), (1200, 2), (1200, 3), (7200, 3)):
        clock.now += seconds
        assert left(away, mine) == tokens
    assert hit(away, mine).remaining == 2


def test_redis_fills_a_bucket_by_its_own_clock(limiter: Limiter, owner: str) -> None:
    fast = bucket(owner, limits.parse("20/second"))
    spent = next(it for it in (hit(limiter, fast) for _ in range(1000)) if not it.allowed)
    assert spent.retry_after == 1
    deadline = time.monotonic() + 5
    while not hit(limiter, fast).allowed:  # a token every 50 ms
        assert time.monotonic() < deadline


def test_clock_that_was_set_back_takes_nothing(limiter: Limiter, stores: Stores, owner: str) -> None:
    mine = bucket(owner)
    hit(limiter, mine)
    pass_in_redis(stores.redis, -10_000, mine)
    assert left(limiter, mine) == 2


def test_buckets_all_give_a_token_or_none_does(either: Limiter, owner: str) -> None:
    wide, narrow = (
        bucket(owner, limits.parse("9/hour"), policy="wide"),
        bucket(owner, limits.parse("2/hour"), policy="narrow"),
    )
    assert [hit(either, wide, narrow).allowed for _ in range(4)] == [True, True, False, False]
    assert [hit(either, narrow, wide).allowed for _ in range(2)] == [False, False]
    assert (left(either, wide), left(either, narrow)) == (7, 0)
    other = bucket(owner + "x", limits.parse("2/hour"), policy="narrow")
    assert hit(either, wide, other).allowed
    assert (left(either, wide), left(either, other)) == (6, 1)


def test_tightest_bucket_is_the_one_that_is_told(either: Limiter, owner: str) -> None:
    wide, narrow = (
        bucket(owner, limits.parse("100/hour"), policy="wide"),
        bucket(owner, limits.parse("2/hour"), policy="narrow"),
    )
    assert hit(either, wide, narrow).policy == "narrow"
    for _ in range(99):
        hit(either, wide)
    hit(either, narrow)
    refused = hit(either, wide, narrow)  # both are empty: the one that refuses for longest
    assert (refused.allowed, refused.policy) == (False, "narrow")
    assert refused.retry_after > 1700


def test_requests_in_a_batch_are_decided_in_their_order(either: Limiter, owner: str) -> None:
    shared = bucket(owner, limits.parse("3/hour"))
    own = [bucket(f"{owner}{number}", limits.parse("1/hour"), policy="own") for number in range(3)]
    checks: list[Check] = [
        (shared, own[0]),
        (shared, own[0]),
        (own[1],),
        (shared, own[1]),
        (shared, own[2]),
        (shared,),
        (shared,),
    ]
    assert [it.allowed for it in either.hit_many(checks)] == [True, False, True, False, True, True, False]
    assert either.hit_many([]) == []


def test_batch_gives_each_of_its_requests_buckets_of_its_own(either: Limiter, owner: str) -> None:
    """Lua gives a function no more than 8,000 arguments: the keys of a batch must be fewer."""
    policies = ("create", "actions", "user", "ip")
    checks = [tuple(bucket(f"{owner}{n}", policy=policy) for policy in policies) for n in range(LIMIT)]

    first, second = either.hit_many(checks), either.hit_many(checks)

    assert {it.remaining for it in first} == {2}
    assert {it.remaining for it in second} == {1}
    assert all(it.allowed for it in (*first, *second))


def test_bucket_that_takes_nothing_is_only_looked_at(either: Limiter, stores: Stores, owner: str) -> None:
    look = bucket(owner, limits.parse("1/hour"), takes=0)
    taken = bucket(owner + "x", limits.parse("5/hour"))
    assert [hit(either, taken, look).allowed for _ in range(3)] == [True] * 3
    assert stores.redis.exists(key(look)) == 0  # a full bucket is not stored
    assert hit(either, bucket(owner, limits.parse("1/hour"))).allowed
    assert not hit(either, taken, look).allowed
    assert (left(either, taken), left(either, look)) == (2, 0)


def test_cost_takes_several_tokens_or_none(either: Limiter, owner: str) -> None:
    rate = limits.parse("5/hour")
    assert hit(either, bucket(owner, rate, takes=3, needs=3)).remaining == 2
    assert not hit(either, bucket(owner, rate, takes=3, needs=3)).allowed
    assert left(either, bucket(owner, rate)) == 2
    assert not hit(either, bucket(owner + "x", rate, takes=6, needs=6)).allowed


def test_bucket_in_redis_is_forgotten_once_it_is_full_again(limiter: Limiter, stores: Stores, owner: str) -> None:
    mine = bucket(owner)
    for taken in (1, 2, 3):
        hit(limiter, mine)
        ttl = stores.redis.pttl(key(mine))
        assert taken * 1_200_000 - 5000 <= ttl <= taken * 1_200_000 + 1001
    assert hit(limiter, mine).allowed is False


def test_value_that_is_no_number_is_a_full_bucket(limiter: Limiter, stores: Stores, owner: str) -> None:
    mine = bucket(owner)
    stores.redis.set(key(mine), "never")
    assert hit(limiter, mine).remaining == 2
    stores.redis.delete(key(mine))
    stores.redis.hset(key(mine), "of another", "kind")
    assert hit(limiter, mine).remaining == 2


def test_script_that_redis_has_forgotten_is_loaded_again(
    limiter: Limiter, stores: Stores, owner: str, caplog: pytest.LogCaptureFixture
) -> None:
    mine = bucket(owner)
    assert hit(limiter, mine).allowed
    stores.redis.script_flush()
    with caplog.at_level(logging.WARNING):
        assert [it.allowed for it in limiter.hit_many([(mine,)] * 3)] == [True, True, False]
    assert caplog.messages == []  # Redis was never taken for away


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hit"), st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True), st.integers(0, 2)),
        st.tuples(st.just("pass"), st.just([0]), st.integers(1, 4)),
    ),
    max_size=25,
)
NUMBERS = itertools.count()


@settings(max_examples=100)
@given(amounts=st.lists(st.integers(1, 5), min_size=4, max_size=4), steps=STEPS)
def test_redis_and_the_process_decide_alike(
    limiter_on: Make, limiter: Limiter, stores: Stores, amounts: list[int], steps: list[tuple[str, list[int], int]]
) -> None:
    clock = Clock()
    away = limiter_on(AWAY, clock)
    away.limiter._local_until = float("inf")
    owner = f"alike-{next(NUMBERS)}"
    buckets = [bucket(f"{owner}-{place}", limits.parse(f"{amount}/10 hours")) for place, amount in enumerate(amounts)]
    for what, places, number in steps:
        if what == "pass":
            # Not quite whole tokens, so that the milliseconds of the test itself make no difference.
            for it in buckets:
                pass_in_redis(stores.redis, 3600 * number + 60, it)
            clock.now += 3600 * number + 60
        else:
            check = tuple(Bucket(buckets[at].policy, buckets[at].owner, number, max(1, number)) for at in places)
            here, there = hit(away, *check), hit(limiter, *check)
            assert here.allowed == there.allowed
            assert abs(here.retry_after - there.retry_after) <= 2
        assert [left(away, it) for it in buckets] == [left(limiter, it) for it in buckets]


def test_interface_of_the_library(either: Limiter, owner: str) -> None:
    rate = limits.parse("4/hour")
    assert either.get_window_stats(rate, owner).remaining == 4
    assert either.hit(rate, owner)
    assert either.hit(rate, owner, cost=2)
    assert either.test(rate, owner)
    assert not either.test(rate, owner, cost=2)
    assert not either.hit(rate, owner, cost=2)
    stats = either.get_window_stats(rate, owner)
    assert stats.remaining == 1
    assert 2690 <= stats.reset_time - time.time() <= 2702
    assert either.hit(rate, owner)
    assert not either.hit(rate, owner)
    assert not either.test(rate, owner)
    either.clear(rate, owner)
    assert either.get_window_stats(rate, owner).remaining == 4
    assert either.hit(rate, owner)


def test_limits_and_those_whom_they_limit_are_told_apart(either: Limiter, owner: str) -> None:
    once, twice = limits.parse("1/hour"), limits.parse("2/hour")
    assert either.hit(once, owner, "a")
    assert not either.hit(once, owner, "a")
    assert either.hit(once, owner, "b")
    assert either.hit(once, f"{owner}:a")
    assert either.hit(twice, owner, "a")
    either.clear(once, owner, "a")
    assert either.hit(once, owner, "a")
    assert not either.hit(once, owner, "b")
    assert either.get_window_stats(twice, owner, "a").remaining == 1


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_buckets_without_redis_are_local_for_two_seconds(
    how: str, own_redis: Redis, limiter_on: Make, owner: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    limiter = limiter_on(own_redis.url, clock)
    mine = bucket(owner)
    assert hit(limiter, mine).remaining == 2
    if how == "killed":
        own_redis.kill()
    else:
        own_redis.pause()
    try:
        with caplog.at_level(logging.WARNING, "scoreboard.limits"):
            began = now()
            assert [it.allowed for it in limiter.hit_many([(mine,)] * 4)] == [True, True, True, False]
            assert now() - began < 2.5  # connecting, and each try, has a bound
            assert len(caplog.messages) == 1
            began = now()
            for _ in range(100):
                clock.now += 0.0199
                assert not hit(limiter, mine).allowed
            assert now() - began < 0.5  # it is left alone for 2 s
            assert len(caplog.messages) == 1
            clock.now += 0.02
            assert not hit(limiter, mine).allowed
            assert len(caplog.messages) == 2
    finally:
        own_redis.resume()
        own_redis.start()
    assert not hit(limiter, mine).allowed
    clock.now += 2.01
    if how == "killed":
        assert [hit(limiter, mine).allowed for _ in range(3)] == [True, True, False]  # what Redis still had
    else:
        assert not hit(limiter, mine).allowed  # a hung one has read what nobody waited for, and taken it
    new = bucket(owner + "x")
    assert hit(limiter, new).allowed
    with redis.Redis.from_url(own_redis.url) as client:
        assert client.exists(key(new))


def test_buckets_in_the_process_are_bounded_in_number(limiter_on: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCAL_BUCKETS", 100)
    limiter = limiter_on(AWAY, Clock())
    first, *others = [bucket(str(number), limits.parse("1/hour")) for number in range(1000)]
    assert hit(limiter, first).allowed
    for other in others:
        assert hit(limiter, other).allowed
        assert not hit(limiter, first).allowed  # what is used stays, what is idle for longest goes
    assert len(limiter.limiter._local) == 100


def test_clearing_while_redis_is_away_raises_nothing(local: Limiter, owner: str) -> None:
    local.clear(PER_HOUR, owner)
    assert local.hit(PER_HOUR, owner)
