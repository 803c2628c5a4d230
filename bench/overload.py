"""What happens past saturation: far more connections than the batchers' queues hold, and then as many as before."""

import statistics
from dataclasses import dataclass

from bench.load import Plan, percentile
from bench.population import settled_within
from bench.row import Must, say, under
from bench.rows import Bench

CONNECTIONS = 8000
"""More than wait in one batcher's queue at most, each with a request, and again at once when it was shed."""

NORMAL = 64


@dataclass(frozen=True)
class Overload:
    """Pairs a second before, during and after; requests taken and shed, and how long they took (seconds)."""

    before: float
    during: float
    after: float
    taken: int
    shed: int
    without_retry_after: int
    taken_p50: float
    taken_p99: float
    shed_p99: float

    @property
    def musts(self) -> tuple[Must, ...]:
        return (
            Must("sheds", self.shed > 0),
            Must("says when to come again", not self.without_retry_after),
            under(1.0, self.taken_p99, "s", "p99 of what it takes"),
            Must("recovers at once: ≥ 0.8 of before", self.after / self.before >= 0.8),
        )


def overload(bench: Bench) -> Overload:
    """Measure as usual, then far beyond saturation, and right after it as usual."""
    say(f"{CONNECTIONS:,} connections between two measurements with {NORMAL}")
    before = statistics.median(_normal(bench) for _ in range(bench.turns))
    settled_within(bench.db)
    flood = Plan("pairs", bench.stack.port, CONNECTIONS, bench.seconds + 2, bench.callers, shed=True)
    during = bench.run(flood)
    after = _normal(bench)  # at once: what the flood left to settle goes on meanwhile
    settled_within(bench.db, 120)
    taken = [*during.latencies["POST"], *during.latencies["PUT"]]
    shed = during.latencies["shed"]
    found = Overload(
        before,
        during.per_second,
        after,
        len(taken),
        len(shed),
        during.shed_without_retry_after,
        percentile(taken, 0.5),
        percentile(taken, 0.99),
        percentile(shed, 0.99) if shed else 0.0,
    )
    say(f"    {found}")
    return found


def _normal(bench: Bench) -> float:
    return bench.run(Plan("pairs", bench.stack.port, NORMAL, bench.seconds, bench.callers)).per_second
