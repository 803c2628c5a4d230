"""What a process gives of a bucket before Redis has heard of it, and what it learns of the others."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import limits
import pytest

from app.access import tabs as module
from app.access.tabs import Tabs
from app.access.token_bucket import Bucket, Check, Decision, Policy
from app.concurrency.batching import Batcher
from app.domain.errors import Overloaded

POLICY = Policy.of("user", limits.parse("200/hour"))
"""A rate so slow that nothing fills while a test runs; half of it is the reserve."""
MINE = (Bucket(POLICY, "me"),)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """The buckets that all processes share, and how often it was asked."""

    def __init__(self) -> None:
        self.left: dict[str, float] = {}
        self.batches: list[list[Check]] = []
        self.hung: asyncio.Event | None = None
        self.error: Exception | None = None

    async def hit_many(self, checks: Sequence[Check]) -> list[Decision]:
        if self.hung is not None:
            await self.hung.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(list(checks))
        return [self._decide(check) for check in checks]

    def _decide(self, check: Check) -> Decision:
        left = [self.left.get(it.owner, it.policy.capacity) for it in check]
        allowed = all(has >= it.needs for has, it in zip(left, check, strict=True))
        if allowed:
            left = [max(0.0, has - it.takes) for has, it in zip(left, check, strict=True)]
            self.left.update({it.owner: has for has, it in zip(left, check, strict=True)})
        return Decision(allowed, "user", 200, 3600, int(left[0]), 0, 1, left)


class Process:
    """A process's tabs on a store."""

    def __init__(self, store: Store, clock: Clock, policy: Policy = POLICY) -> None:
        self.checks: Batcher[Check, Decision] = Batcher("limits", store.hit_many, lanes=1)
        self.tabs = Tabs(policy, self.checks, clock=clock)

    async def ask(self, owner: str = "me", check: Check = MINE) -> Decision:
        return await self.tabs.check(self.tabs.begun(owner), check)

    def taken(self, most: int, owner: str = "me") -> int:
        """Take up to so many tokens, and return how many there were."""
        return next((n for n in range(most) if self.tabs.take(owner) is None), most)

    async def paid(self) -> None:
        """Wait until Redis was told of everything."""
        if self.tabs._paying is not None:
            await self.tabs._paying


Run = Callable[[Callable[[Store, Clock], Awaitable[None]]], None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a test's coroutine on a store; what is owed is paid at once."""
    monkeypatch.setattr(module, "OWED_FOR", 0)

    def run(test: Callable[[Store, Clock], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(30):
                await test(Store(), Clock())

        asyncio.run(bounded())

    return run


def test_nothing_is_given_before_redis_has_answered_and_nothing_of_the_reserve(run: Run) -> None:
    async def test(store: Store, clock: Clock) -> None:
        here = Process(store, clock)
        assert here.tabs.take("me") is None
        here.tabs.begun("me")
        assert here.tabs.take("me") is None
        await here.ask()
        assert here.tabs.take("me") == b'ratelimit-policy: "user";q=200;w=3600\r\nratelimit: "user";r=198;t=36\r\n'
        assert here.tabs.take("another") is None
        assert here.taken(1000) == 98  # 100 are left
        clock.now += 18
        assert here.tabs.take("me") == b'ratelimit-policy: "user";q=200;w=3600\r\nratelimit: "user";r=100;t=1800\r\n'
        clock.now += 1_000_000
        assert here.taken(1000) == 100  # never more than the bucket holds

    run(test)


def test_small_limits_are_always_exact(run: Run) -> None:
    async def test(store: Store, clock: Clock) -> None:
        small = Policy.of("user", limits.parse(f"{module.LEAST_RESERVE}/hour"))
        here = Process(store, clock, small)
        await here.ask(check=(Bucket(small, "me", takes=0, needs=0),))
        assert here.tabs.take("me") is None

    run(test)


def test_redis_learns_of_each_token_once_and_of_all_tabs_together(run: Run) -> None:
    async def test(store: Store, clock: Clock) -> None:
        here = Process(store, clock)
        for owner in ("me", "you"):
            await here.ask(owner, (Bucket(POLICY, owner),))
        store.batches.clear()
        assert (here.taken(10), here.taken(5, "you")) == (10, 5)
        await here.paid()
        assert store.left == {"me": 189, "you": 194}
        assert [len(batch) for batch in store.batches] == [1]
        await here.paid()
        assert here.taken(1) == 1
        await here.paid()
        assert store.left == {"me": 188, "you": 194}

    run(test)


def test_redis_is_not_told_of_what_was_told_ahead_of_a_request(run: Run) -> None:
    async def test(store: Store, clock: Clock) -> None:
        here = Process(store, clock)
        await here.ask()
        assert here.taken(20) == 20
        decision = await here.ask(check=(Bucket(POLICY, "of the address"), *MINE))
        assert decision.left[1] == 178  # 200, less two that asked and 20 that didn't
        assert here.taken(1) == 1  # the tab is noted twice as one that owes
        store.batches.clear()
        await here.paid()
        assert [[it.takes for it in check] for batch in store.batches for check in batch] == [[1]]
        assert store.left["me"] == 177
        assert (here.tabs.take("me") or b"").endswith(b"r=176;t=432\r\n")

    run(test)


def test_tab_learns_what_other_processes_gave(run: Run) -> None:
    async def test(store: Store, clock: Clock) -> None:
        here, there = Process(store, clock), Process(store, clock)
        await here.ask()
        store.left["me"] = 150.5
        assert here.taken(1) == 1  # it does not know yet
        await here.paid()
        await there.ask()
        assert (here.taken(1000), there.taken(1000)) == (49, 48)  # what is under way the other does not know
        assert store.left["me"] == 148.5
        await here.paid()
        await there.paid()
        assert (here.taken(1), there.taken(1), store.left["me"]) == (0, 0, 51.5)
        assert (await there.ask()).left == [50.5]

    run(test)


def test_debt_is_never_refused(run: Run) -> None:
    async def test(store: Store, clock: Clock) -> None:
        here = Process(store, clock)
        await here.ask()
        assert here.taken(30) == 30
        store.left["me"] = 20
        await here.paid()
        assert store.left["me"] == 0
        assert not (await here.ask()).allowed

    run(test)


def test_what_is_taken_while_redis_answers_is_not_given_twice(run: Run) -> None:
    async def test(store: Store, clock: Clock) -> None:
        here = Process(store, clock)
        await here.ask()
        store.hung = asyncio.Event()
        asked = asyncio.create_task(here.ask())
        for _ in range(5):
            await asyncio.sleep(0)
        assert here.taken(30) == 30
        store.hung.set()
        await asked
        assert here.taken(1000) == 68  # 198 at Redis, less the 30, less the reserve
        await here.paid()
        assert store.left["me"] == 100

    run(test)


def test_nothing_is_given_while_redis_is_late_and_a_failure_is_not_the_end(run: Run) -> None:
    async def test(store: Store, clock: Clock) -> None:
        here = Process(store, clock)
        await here.ask()
        store.hung = asyncio.Event()
        assert here.taken(1) == 1
        for _ in range(5):
            await asyncio.sleep(0)
        clock.now += module.ANSWERED_WITHIN
        assert here.taken(1) == 1
        clock.now += 0.001
        assert here.taken(1) == 0
        store.hung.set()
        await here.paid()
        assert here.taken(1) == 1
        for error in (Overloaded("full"), RuntimeError("unexpected")):
            store.error = error
            await here.paid()
            assert here.taken(1) == 1
            await here.paid()
        store.error = None
        before = store.left["me"]
        assert here.taken(1) == 1
        await here.paid()
        assert store.left["me"] == before - 1

    run(test)


def test_many_tabs_are_paid_in_several_calls(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAID_AT_ONCE", 3)

    async def test(store: Store, clock: Clock) -> None:
        here = Process(store, clock)
        for n in range(8):
            await here.ask(str(n), (Bucket(POLICY, str(n)),))
        store.batches.clear()
        assert [here.taken(1, str(n)) for n in range(8)] == [1] * 8
        await here.paid()
        assert [len(check) for batch in store.batches for check in batch] == [3, 3, 2]
        assert set(store.left.values()) == {198}

    run(test)


def test_closing_ends_the_paying(run: Run) -> None:
    async def test(store: Store, clock: Clock) -> None:
        here = Process(store, clock)
        here.tabs.close()
        await here.ask()
        assert here.taken(1) == 1
        here.tabs.close()
        await asyncio.sleep(0)
        assert here.tabs._paying is not None
        assert here.tabs._paying.cancelled()

    run(test)
