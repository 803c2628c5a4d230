"""`bin/bench --against REV`: this revision and an older one, in turns in one run, by rates and by CPU."""

import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from bench.cost import Cost, median
from bench.load import Plan
from bench.population import check_history, settled_within
from bench.push import PushPlan
from bench.pushes import percentiles, timed
from bench.reads import plan as reading
from bench.reference import Reference
from bench.revision import Revision, here, older, resolve
from bench.row import Row, at_most, number, say, share_of_cpu
from bench.rows import PAIRS, Bench, Pairs
from bench.stack import load, stack

PLAYERS = 2000
SHARE = 0.75
"""What a push may take, of what it took at the revision that it is held against."""

HELD_AGAINST = "a952476"

ROWS = ("pairs", "get", "get-token", "push", "push-1000")

_PUSHES = {"push": (1, 20.0), "push-1000": (1000, 10.0)}
"""Sockets, and boards a second."""

_Both = Sequence[tuple[Revision, Bench]]


@dataclass
class _Pushed:
    """What pushes to one revision's sockets took, turn by turn."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)


def against(name: str, db: sa.Engine, rows: Sequence[str], turns: int, seconds: int) -> list[Row]:
    """Measure this revision and that one in turns, and return the rows.

    Raises:
        RevisionError: when that one can't be had, or doesn't start.
    """
    must = resolve(name).startswith(HELD_AGAINST)
    found: list[Row] = []
    with older(name, db) as other:
        sides = [here(db), other]
        # Pushes first: they are about a board with one player, and not about what thousands did before.
        if pushes := [row for row in _PUSHES if row in rows]:
            with _running(sides, 1, turns, seconds, PUSH_INTERVAL_MS="0") as both:
                for row in pushes:
                    found += _pushes(both, *_PUSHES[row], must=must)
        if actions := [row for row in ROWS if row in rows and row not in _PUSHES]:
            with _running(sides, PLAYERS, turns, seconds) as both:
                for _, bench in both:
                    bench.warm_up()
                for row in actions:
                    if row == "pairs":
                        found += [_pairs(both, connections) for connections in PAIRS]
                    else:
                        found.append(_gets(both, token=row == "get-token"))
                for _, bench in both:
                    check_history(bench.db, bench.results)
    return found


@contextlib.contextmanager
def _running(sides: Sequence[Revision], players: int, turns: int, seconds: int, **env: str) -> Iterator[_Both]:
    """Run both services, each with so many new players."""
    with contextlib.ExitStack() as services:
        both = []
        for side in sides:
            callers = side.make_players(players, f"player-of-{players}")
            running = services.enter_context(stack(root=side.root, **side.env, **env))
            both.append((side, Bench(running, side.db, callers, Reference(side.db), turns, seconds, [])))
        yield both
        for side, bench in both:
            for problem in bench.stack.problems():
                say(f"{side.name}: {problem}")


def _in_turns(both: _Both, measure: Callable[[int, Bench], float]) -> None:
    """Measure both, each first in every other turn; `measure` is given the place of the one it measures."""
    for turn in range(both[0][1].turns):
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        rates = {place: measure(place, both[place][1]) for place in order}
        say(f"    {number(rates[0])} and {number(rates[1])}")


def _pairs(both: _Both, connections: int) -> Row:
    say(f"start and complete, {connections} connections: this and {both[1][0].name}")
    found = (Pairs(), Pairs())
    _in_turns(both, lambda place, bench: bench.pairs(connections, found[place]))
    return _row(f"start+complete pairs/s, {connections} connections", *found)


def _gets(both: _Both, *, token: bool) -> Row:
    which = "with a token" if token else "without a token"
    say(f"GET /top-scores {which}: this and {both[1][0].name}")
    for _, bench in both:
        bench.play(reading(bench, token=token), Pairs())  # tokens are verified on first sight
    found = (Pairs(), Pairs())
    _in_turns(both, lambda place, bench: bench.play(reading(bench, token=token), found[place]))
    return _row(f"GET /top-scores/s {which}, 64 connections", *found)


def _row(name: str, this: Pairs, other: Pairs) -> Row:
    note = f"p99 of a request {this.p99:.1f} and {other.p99:.1f} ms; {share_of_cpu([*this.shares, *other.shares])}"
    return Row(name, this.median, other.median, (), note, this.cost, other.cost)


def _pushes(both: _Both, sockets: int, rate: float, *, must: bool) -> list[Row]:
    say(f"from a PUT to {sockets} sockets, {rate:g} a second: this and {both[1][0].name}")
    found = (_Pushed(), _Pushed())
    for _, bench in both:
        load(Plan("pairs", bench.stack.port, 1, 0.5, bench.callers))
        settled_within(bench.db)

    def measure(place: int, bench: Bench) -> float:
        plan = PushPlan(bench.stack.port, bench.callers[0], sockets, rate, 2 * bench.seconds)
        pushed, cost = timed(bench.meter, plan)
        p50, p99 = percentiles(pushed.latencies)
        into = found[place]
        into.p50.append(p50)
        into.p99.append(p99)
        into.costs.append(cost)
        return p50

    _in_turns(both, measure)
    costs = tuple(median(it.costs) for it in found)
    times: Mapping[str, tuple[float, float]] = {
        "the median": (statistics.median(found[0].p50), statistics.median(found[1].p50)),
        "the 99th percentile": (statistics.median(found[0].p99), statistics.median(found[1].p99)),
    }
    where = f"{rate:g}/s, {sockets:,} socket{'s' if sockets > 1 else ''}"
    return [
        Row(
            f"PUT sent to message received, ms at {which}, {where}",
            ours,
            theirs,
            (at_most(SHARE, ours, theirs),) if must else (),
            "",
            *(costs if which == "the median" else ({}, {})),
        )
        for which, (ours, theirs) in times.items()
    ]
