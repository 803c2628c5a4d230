"""A row of the table: what was measured beside its reference, what it must be, and how both are measured in turns."""

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

CORES = 2

LARGEST_SHARE = 0.2
"""Share of the CPU above which a load generator measures itself: the row then says so."""


@dataclass(frozen=True)
class Must:
    """What a row must keep, in words, and whether it did."""

    words: str
    met: bool

    def __str__(self) -> str:
        return f"{self.words} {'✓' if self.met else '✗'}"


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, in which unit, its reference, and what it must keep.

    `cost` is the microseconds of CPU for one unit by kind of process, `reference_cost` those of the reference.
    """

    name: str
    ours: float
    reference: float | None = None
    musts: tuple[Must, ...] = ()
    note: str = ""
    cost: Mapping[str, float] = field(default_factory=dict)
    reference_cost: Mapping[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return all(must.met for must in self.musts)


def at_least(share: float, ours: float, reference: float) -> Must:
    """Demand a share of the reference."""
    return Must(f"≥ {share:g}", ours / reference >= share)


def at_most(share: float, ours: float, reference: float, what: str = "") -> Must:
    """Demand no more than a share of the reference."""
    return Must(f"{what} ≤ {share:g}".strip(), ours / reference <= share)


def under(limit: float, value: float, unit: str, what: str = "") -> Must:
    """Demand a value under a limit."""
    return Must(f"{what} < {limit:g} {unit}".strip(), value < limit)


def say(text: str) -> None:
    """Print how far the run has come."""
    print(text, file=sys.stderr, flush=True)


def number(value: float) -> str:
    """Write a number with as many digits as say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def share_of_cpu(shares: Sequence[float]) -> str:
    """Say which share of the CPU the load generator took at most."""
    beyond = ": over a fifth, so less was measured than there is" if max(shares) > LARGEST_SHARE else ""
    return f"load generator {max(shares):.0%} of the CPU{beyond}"


def in_turns(turns: int, *measures: Callable[[], float]) -> list[float]:
    """Take all measures one after the other, so many times; give the median of each."""
    taken = []
    for _ in range(turns):
        taken.append([measure() for measure in measures])
        say("    " + ", ".join(number(value) for value in taken[-1]))
    return [statistics.median(values) for values in zip(*taken, strict=True)]
