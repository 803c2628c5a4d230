"""The rows of the table: each measures the service and its reference in turns."""

import statistics
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from bench.load import Caller, Plan, Result, percentile
from bench.push import PushPlan
from bench.reference import Reference, combined
from bench.stack import Stack, free_port, load, push, settled_within, stack, wait_for
from config import settings

CORES = 2


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, in which unit, its reference, and what it must be at least."""

    name: str
    ours: float
    reference: float | None
    must: float | None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.reference if self.reference else None

    @property
    def met(self) -> bool:
        return self.must is None or (self.ratio is not None and self.ratio >= self.must)


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def in_turns(turns: int, ours: Callable[[], float], reference: Callable[[], float]) -> tuple[float, float]:
    """Measure both in turns, and give the medians."""
    pairs = []
    for _ in range(turns):
        theirs = reference()
        mine = ours()
        say(f"    {mine:,.0f} of {theirs:,.0f}: {mine / theirs:.2f}")
        pairs.append((mine, theirs))
    return statistics.median(mine for mine, _ in pairs), statistics.median(theirs for _, theirs in pairs)


@dataclass
class Bench:
    """What the rows work on: the running service, its database, its players, and the reference's database."""

    stack: Stack
    db: sa.Engine
    callers: list[Caller]
    reference: Reference
    turns: int
    seconds: int
    results: list[Result]

    def run(self, plan: Plan) -> Result:
        result = load(plan)
        self.results.append(result)
        share = result.cpu_seconds / result.seconds / CORES
        if share > 0.2:
            say(f"    the load generator took {share:.0%} of the CPU")
        return result

    def pairs(self, connections: int, must: float | None) -> Row:
        """Start and complete actions, and have all of them settled within a second of the end."""
        say(f"start and complete, {connections} connections")
        late, slowest, shares = [], [], []

        def ours() -> float:
            result = self.run(Plan("pairs", self.stack.port, connections, self.seconds, self.callers))
            late.append(settled_within(self.db))
            slowest.append(percentile([*result.latencies["POST"], *result.latencies["PUT"]], 0.99))
            shares.append(result.cpu_seconds / result.seconds / CORES)
            return result.per_second

        mine, theirs = in_turns(self.turns, ours, lambda: combined(*self.reference.pairs(16, self.seconds)))
        if max(late) > 1:
            raise RuntimeError(f"settling took {max(late):.1f} s after the end")
        note = (
            f"p99 of a request {max(slowest) * 1000:.0f} ms, settled {max(late):.1f} s after the end, "
            f"load generator {max(shares):.0%} of the CPU"
        )
        return Row(f"start+complete, pairs/s, {connections} connections", mine, theirs, must, note)

    def puts(self, must: float) -> Row:
        """Complete actions that were started before."""
        say("complete alone, 64 connections")

        def ours() -> float:
            actions = self._start(self.seconds * 4000)
            result = self.run(Plan("puts", self.stack.port, 64, self.seconds, self.callers, actions))
            settled_within(self.db)
            return result.per_second

        mine, theirs = in_turns(self.turns, ours, lambda: self.reference.pairs(16, self.seconds)[1])
        return Row("complete alone, PUT/s, 64 connections", mine, theirs, must)

    def _start(self, number: int) -> list[tuple[int, str]]:
        with self.db.begin() as conn:
            rows = conn.execute(
                sa.text("""
                    INSERT INTO actions (id, user_id, type)
                    SELECT uuidv7(), (CAST(:users AS uuid[]))[1 + mod(n, :players)], 'default'
                    FROM generate_series(0, :number - 1) AS n RETURNING id::text, user_id::text
                """),
                {"users": [it.user_id for it in self.callers[:1000]], "players": 1000, "number": number},
            ).all()
        places = {caller.user_id: place for place, caller in enumerate(self.callers[:1000])}
        return [(places[user_id], action_id) for action_id, user_id in rows]

    def gets(self, must: float) -> Row:
        """Read the board."""
        say("GET /top-scores, 64 connections")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.stack.port}/top-scores", timeout=5) as answer:
            body = answer.read().decode()
        port = free_port()
        name = f"bare-{port}"
        self.stack.start(name, f"{sys.executable} -m bench.bare {port} '{body}'")
        try:
            wait_for(port, "/")
            mine, theirs = in_turns(
                self.turns,
                lambda: self.run(Plan("get", self.stack.port, 64, self.seconds)).per_second,
                lambda: load(Plan("get", port, 64, self.seconds)).per_second,
            )
        finally:
            self.stack.processes[name].terminate()
        return Row("GET /top-scores/s, 64 connections, one process", mine, theirs, must)

    def pushes(self, sockets: int, rate: float, most: tuple[float, float], interval: str = "0") -> Row:
        """Have boards go out to open sockets; `most` milliseconds at the median and at the 99th percentile."""
        say(f"from a PUT to {sockets} sockets, {rate:g} a second, PUSH_INTERVAL_MS={interval}")
        url = settings.load_or_exit().redis_url
        with stack(PUSH_INTERVAL_MS=interval) as quiet:
            caller = self.callers[0]
            load(Plan("pairs", quiet.port, 1, 0.5, self.callers[:1]))
            settled_within(self.db)
            plan = PushPlan(quiet.port, caller, sockets, rate, 2.0 * self.seconds)
            ours = [percentile(push(plan), share) * 1000 for share in (0.5, 0.99)]
            by_hand = push(PushPlan(quiet.port, caller, sockets, rate, 2.0 * self.seconds, url))
        theirs = [percentile(by_hand, share) * 1000 for share in (0.5, 0.99)]
        kept = all(mine <= allowed for mine, allowed in zip(ours, most, strict=True))
        sign = "✓" if kept else "✗"
        note = f"p99 {ours[1]:.1f} of {theirs[1]:.1f} ms; must be under {most[0]:g} and {most[1]:g} ms {sign}"
        name = f"PUT to message, ms at the median, {sockets:,} sockets, {rate:g}/s, `PUSH_INTERVAL_MS={interval}`"
        return Row(name, ours[0], theirs[0], None, note)

    def warm_up(self) -> None:
        """Have every player play once: tokens are verified and users looked up on first sight."""
        say("warming up")
        began = time.monotonic()
        while time.monotonic() - began < 60:
            if sum(result.done for result in self.results) > len(self.callers):
                break
            self.run(Plan("pairs", self.stack.port, 128, 3, self.callers))
        settled_within(self.db)
