"""Reads that pass by what this process knows of a player's bucket, before Redis has heard of them.

The bucket is in Redis and is all processes'. An answer of Redis begins a tab here; reads are then taken from the tab,
and Redis learns of them `OWED_FOR` later, of all tabs together. What other processes have given meanwhile is not known
here, so all together may give more than the bucket had: at most what the others serve in that time, and only when it
is more than `Tabs.reserve`, below which each request asks Redis before it is answered. Source: contract, section 5.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable

from app.access.remembered import Remembered
from app.access.token_bucket import Bucket, Check, Decision, Policy
from app.concurrency.batching import Batcher
from app.domain.errors import ScoreboardError

log = logging.getLogger("scoreboard.limits")

OWED_FOR = 0.05
"""Seconds after which Redis learns of the tokens that were taken here."""

ANSWERED_WITHIN = 0.25
"""Seconds after which no tab is taken from while Redis has not answered: it may be hung."""

LEAST_RESERVE = 50
"""Tokens that are never given by a tab, however small the bucket: limits up to this number are always exact."""

REMEMBERED = 20_000

PAID_AT_ONCE = 2000
"""Tabs in one call of the script, which has room for 8,000 keys, and those of a batch of requests are 4,000."""


class Tab:
    """What is known of one bucket: what it held at a moment of the clock, and what was taken from it here.

    `taken` and `paid` count since the tab began: the tokens taken by it, and those of them that Redis was sent.
    """

    __slots__ = ("at", "owner", "paid", "taken", "tokens")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.tokens = -math.inf  # nothing is known yet
        self.at = 0.0
        self.taken = self.paid = 0


class Tabs:
    """The tabs of the buckets of one policy.

    Args:
        checks: what asks Redis, in the order in which it is asked.
        clock: seconds, monotonic.
    """

    def __init__(
        self, policy: Policy, checks: Batcher[Check, Decision], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = policy
        self._checks = checks
        self._clock = clock
        self._capacity = policy.capacity
        self._per_second = 1000 / policy.per_token
        self.reserve = max(policy.capacity // 2, LEAST_RESERVE)
        """Tokens that are left to requests that ask Redis first."""
        quota = f'ratelimit-policy: "{policy.name}";q={policy.capacity};w={policy.window}\r\n'
        self._headers = f'{quota}ratelimit: "{policy.name}";r=%d;t=%d\r\n'.encode()
        self._tabs: Remembered[str, Tab] = Remembered(REMEMBERED)
        self._debtors: list[Tab] = []
        self._paying: asyncio.Task[None] | None = None
        self._late = math.inf
        """The moment from which on Redis's answer to what is being paid is late."""

    def take(self, owner: str) -> bytes | None:
        """Take a token, and return the headers that say so, as they are sent; None when Redis must be asked."""
        tab = self._tabs.get(owner)
        if tab is None:
            return None
        now, capacity = self._clock(), self._capacity
        has = tab.tokens + (now - tab.at) * self._per_second
        has = (has if has < capacity else capacity) - 1
        if has < self.reserve or now > self._late:
            return None
        tab.tokens, tab.at = has, now
        if tab.taken == tab.paid:
            self._owes(tab)
        tab.taken += 1
        return self._headers % (has, math.ceil((capacity - has) / self._per_second))

    def known(self, owner: str) -> Tab | None:
        """Return the tab of a bucket, if there is one."""
        return self._tabs.get(owner)

    def begun(self, owner: str) -> Tab:
        """Return the tab of a bucket; a new one gives nothing before Redis has answered."""
        tab = self._tabs.get(owner)
        if tab is None:
            tab = self._tabs[owner] = Tab(owner)
        return tab

    async def check(self, tab: Tab, check: Check) -> Decision:
        """Ask Redis, what is owed going ahead, and note in the tab what is left.

        Raises:
            Overloaded: like the Batcher.
        """
        if tab.taken > tab.paid:
            self._checks.offer((self._debt(tab),))
        paid = tab.paid
        decision = await self._checks.submit(check)
        place = next(place for place, bucket in enumerate(check) if bucket.policy is self._policy)
        self._learn(tab, decision.left[place], paid)
        return decision

    def close(self) -> None:
        """Pay no more: what is owed is forgiven, as when the process is killed."""
        if self._paying is not None:
            self._paying.cancel()

    def _owes(self, tab: Tab) -> None:
        self._debtors.append(tab)
        if self._paying is None:
            self._paying = asyncio.get_running_loop().create_task(self._pay())

    async def _pay(self) -> None:
        while self._debtors:
            await asyncio.sleep(OWED_FOR)
            some, self._debtors = self._debtors[:PAID_AT_ONCE], self._debtors[PAID_AT_ONCE:]
            debts = {tab: self._debt(tab) for tab in some if tab.taken > tab.paid}  # else paid ahead of a request
            if debts:
                await self._tell(debts)
        self._paying = None

    def _debt(self, tab: Tab) -> Bucket:
        owed, tab.paid = tab.taken - tab.paid, tab.taken
        return Bucket(self._policy, tab.owner, takes=owed, needs=0)

    async def _tell(self, debts: dict[Tab, Bucket]) -> None:
        paid = [tab.paid for tab in debts]
        self._late = self._clock() + ANSWERED_WITHIN
        try:
            decision = await self._checks.submit(tuple(debts.values()))
        except ScoreboardError:  # too much is waiting: the debts are forgiven, but the tabs hold no more by it
            return
        except Exception:
            log.exception("what was taken from rate limits could not be told")
            return
        finally:
            self._late = math.inf
        for tab, left, upto in zip(debts, decision.left, paid, strict=True):
            self._learn(tab, left, upto)

    def _learn(self, tab: Tab, left: float, paid: int) -> None:
        """Note what Redis has left, which doesn't know of what was taken after `paid`."""
        tab.tokens, tab.at = left - (tab.taken - paid), self._clock()
