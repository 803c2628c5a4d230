"""What happens past saturation: far more connections than are taken on at once, and then as many as before."""

import statistics
from dataclasses import dataclass

from bench.load import Plan, percentile
from bench.population import settled_within
from bench.row import Must, say, under
from bench.rows import Bench

CONNECTIONS = 4000
"""Four times as many starts as a process has under way at most, all of them at the same moment."""

NORMAL = 64


@dataclass(frozen=True)
class Overload:
    """Pairs a second before, during and after; requests taken and shed, and how long they took (seconds).

    Those who were shed asked again when Retry-After said, if they were `patient`, or else at once.
    """

    patient: bool
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
        if not self.patient:
            return ()
        return (
            Must("sheds", self.shed > 0),
            Must("says when to come again", not self.without_retry_after),
            under(1.0, self.taken_p99, "s", "p99 of what it takes"),
            Must("recovers at once: ≥ 0.8 of before", self.after / self.before >= 0.8),
        )


def overload(bench: Bench, *, patient: bool) -> Overload:
    """Measure as usual, then far beyond saturation, and right after it as usual."""
    again = "when they are told" if patient else "at once"
    say(f"{CONNECTIONS:,} connections that ask again {again}, between two measurements with {NORMAL}")
    before = statistics.median(_normal(bench) for _ in range(bench.turns))
    settled_within(bench.db)
    seconds = bench.seconds + 2
    plan = Plan("pairs", bench.stack.port, CONNECTIONS, seconds, bench.callers, shed=True, patient=patient)
    during = bench.run(plan)
    after = _normal(bench)  # at once: what the flood left to settle goes on meanwhile
    settled_within(bench.db, 120)
    taken = [*during.latencies["POST"], *during.latencies["PUT"]]
    shed = during.latencies["shed"]
    found = Overload(
        patient,
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
