"""What one unit of work costs: microseconds of CPU by kind of process.

On a machine that others use as well rates move by a fifth and more; this is what holds.
"""

import statistics
from collections.abc import Mapping, Sequence

Cost = dict[str, float]
"""Seconds of CPU, or microseconds for one unit of work, by kind of process."""

LOAD = "load generator"
ORDER = ("web", "worker", "PostgreSQL", "Redis", "beat and Flower", LOAD)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each kind."""
    kinds = dict.fromkeys(kind for cost in costs for kind in cost)
    return {kind: statistics.median(cost.get(kind, 0.0) for cost in costs) for kind in kinds}


def written(cost: Mapping[str, float], beside: Mapping[str, float] | None = None) -> str:
    """Write what one unit took, kind by kind and in all; `beside` is what it took the reference."""
    kinds = [kind for kind in ORDER if cost.get(kind, 0) >= 0.05 or (beside or {}).get(kind, 0) >= 0.05]
    if not kinds:
        return ""

    def one(ours: float, theirs: float | None) -> str:
        return _figure(ours) if theirs is None else f"{_figure(ours)} ({_figure(theirs)})"

    parts = [f"{kind} {one(cost.get(kind, 0.0), None if not beside else beside.get(kind, 0.0))}" for kind in kinds]
    total = sum(cost.get(kind, 0.0) for kind in kinds)
    if not beside:
        return f"{', '.join(parts)}; all {_figure(total)}"
    theirs = sum(beside.get(kind, 0.0) for kind in kinds)
    return f"{', '.join(parts)}; all {one(total, theirs)}: {total / theirs:.2f}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
