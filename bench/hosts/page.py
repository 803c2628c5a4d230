"""Writes what was measured on many hosts: a plot, and a table with what it shows."""

import statistics

from bench.hosts.measure import Measured, Step
from bench.plot import plot
from bench.report import ROOT
from bench.row import number


def draw(found: Measured) -> None:
    """Write the plot."""
    panels = [
        ("pairs a second", [statistics.median(it.pairs) for it in found.steps]),
        ("PostgreSQL, % of its share", [100 * statistics.median(it.postgresql) for it in found.steps]),
        ("deliveries a second", [statistics.median(it.deliveries) for it in found.steps]),
    ]
    steps = [str(it.hosts) for it in found.steps]
    path = ROOT / "docs" / "scaling-hosts.svg"
    path.write_text(plot("Start and complete, and boards to sockets", "web hosts", steps, panels))


def part(found: Measured, heading: str) -> str:
    """Write the same as Markdown."""
    one, boards = (statistics.median(it) for it in (found.steps[0].pairs, found.steps[0].deliveries))
    lines = [
        "| web hosts | pairs/s | of as many times one | PostgreSQL, of its share | web, of theirs | deliveries/s "
        "| of as many times one |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for it in found.steps:
        pairs, sent = statistics.median(it.pairs), statistics.median(it.deliveries)
        lines.append(
            f"| {it.hosts} | {number(pairs)} | {pairs / one / it.hosts:.2f} | {statistics.median(it.postgresql):.0%} "
            f"| {statistics.median(it.web):.0%} | {number(sent)} | {sent / boards / it.hosts:.2f} |"
        )
    away = found.roamed.away
    said = [
        heading,
        "\n".join(lines),
        full(found),
        f"- A flood is settled after {found.floods[0]:.1f} s by one worker host, after {found.floods[1]:.1f} s by "
        "two.\n"
        f"- A web host killed (`kill -9`): its {len(away)} sockets had a board of another host after "
        f"{max(away, default=0.0):.1f} s at most; {found.roamed.repeated} requests were repeated elsewhere. Each of "
        f"{found.checked:,} acknowledged completions of the run is in the database once; totals and standings are "
        "their sums.",
        "\n".join(f"- {must}" for must in found.musts),
    ]
    return "\n\n".join(said)


def full(found: Measured) -> str:
    """Say where PostgreSQL was full, or what it would take."""
    cost = [_cost(it, found.postgresql) for it in found.steps]
    first = next((it for it in found.steps if it.full), None)
    if first is None:
        most = found.steps[-1]
        return (
            f"PostgreSQL was not full: {cost[-1]:,.0f} µs of its CPU a pair with {most.hosts} web hosts, so that its "
            f"share would do for {found.postgresql * 1e6 / cost[-1]:,.0f} pairs/s."
        )
    return (
        f"PostgreSQL is full with {first.hosts} web hosts, at {number(statistics.median(first.pairs))} pairs/s: "
        f"{_cost(first, found.postgresql):,.0f} µs of its CPU a pair."
    )


def _cost(step: Step, share: float) -> float:
    return statistics.median(step.postgresql) * share * 1e6 / statistics.median(step.pairs)
