"""The rows about sockets: how long a board takes to them, and how many a second there can be."""

import statistics
import sys

import sqlalchemy as sa

from bench.boards import THREE, boards_file
from bench.cost import Cost, median
from bench.cpu import Meter
from bench.crowd import Crowd, CrowdPlan
from bench.load import Caller, Plan, percentile
from bench.population import empty, make_players, settled_within
from bench.push import Pushed, PushPlan
from bench.row import CORES, Row, at_least, number, say, share_of_cpu, under
from bench.stack import crowd, free_port, load, push, stack, wait_for_port
from config import settings


def latency(
    db: sa.Engine,
    turns: int,
    seconds: int,
    sockets: int,
    rate: float,
    most: tuple[float, float] | None,
    interval: int = 0,
) -> Row:
    """Send boards to open sockets; `most` milliseconds at the median and at the 99th percentile."""
    say(f"from a PUT to {sockets} sockets, {rate:g} a second, PUSH_INTERVAL_MS={interval}")
    url = settings.load_or_exit().redis_url
    ours, theirs, shares, costs = [], [], [], []
    caller = _players(db, 1)[0]
    with stack(PUSH_INTERVAL_MS=str(interval)) as quiet:
        load(Plan("pairs", quiet.port, 1, 0.5, [caller]))
        settled_within(db)
        meter = Meter(quiet, db)
        for _ in range(turns):
            by_hand = push(PushPlan(quiet.port, caller, sockets, rate, seconds, url))
            completed, cost = timed(meter, PushPlan(quiet.port, caller, sockets, rate, seconds))
            theirs.append(percentiles(by_hand.latencies))
            ours.append(percentiles(completed.latencies))
            costs.append(cost)
            shares.append(completed.cpu_share / CORES)
            say("    {:.1f} and {:.1f} ms".format(*ours[-1]) + ", by hand {:.1f} and {:.1f} ms".format(*theirs[-1]))
    (p50, p99), (their_p50, their_p99) = _medians(ours), _medians(theirs)
    musts = () if most is None else (under(most[0], p50, "ms", "p50"), under(most[1], p99, "ms", "p99"))
    where = f"{rate:g}/s, {_sockets(sockets)}, `PUSH_INTERVAL_MS={interval}`"
    name = f"PUT sent to message received, ms at the median, {where}"
    note = f"p99 {p99:.1f} of {their_p99:.1f} ms; {share_of_cpu(shares)}"
    return Row(name, p50, their_p50, musts, note, median(costs))


def timed(meter: Meter, plan: PushPlan) -> tuple[Pushed, Cost]:
    """Send boards by completing actions, and return what came of it and what a board cost, its start included."""
    before = meter.read()
    pushed = push(plan)
    return pushed, meter.since(before, pushed.sent, pushed.cpu_seconds)


def deliveries(
    db: sa.Engine,
    turns: int,
    seconds: int,
    sockets: int,
    must: float | None,
    most_kilobytes: float,
    boards: tuple[str, ...] = (),
) -> Row:
    """Send boards to many sockets, each as soon as all of them have the one before; they follow `boards` besides."""
    which = f"{_sockets(sockets)} that follow {1 + len(boards)} boards" if boards else _sockets(sockets)
    say(f"deliveries to {which}")
    url = settings.load_or_exit().redis_url
    callers = _players(db, 12)
    bare = free_port()
    ours: list[Crowd] = []
    theirs: list[Crowd] = []
    with boards_file(THREE) as path, stack(PUSH_INTERVAL_MS="0", BOARDS_FILE=path) as quiet:
        load(Plan("pairs", quiet.port, 2, 1.0, callers))
        settled_within(db)
        quiet.start("bare", f"{sys.executable} -m bench.bare_sockets {bare}")
        wait_for_port(bare)
        for _ in range(turns):
            for port, name, found in ((bare, "bare", theirs), (quiet.port, "web", ours)):
                pid = quiet.processes[name].pid
                bare_loop = name == "bare"
                plan = CrowdPlan(port, pid, callers[0], sockets, seconds, url, bare_loop, () if bare_loop else boards)
                found.append(crowd(plan))
            say(f"    {ours[-1].per_second:,.0f} of {theirs[-1].per_second:,.0f}, {ours[-1].memory / 1024:.1f} KB")
    mine = statistics.median(it.per_second for it in ours)
    reference = statistics.median(it.per_second for it in theirs)
    # Later turns find memory that the one before has left: the first tells what a socket takes.
    kilobytes, their_kilobytes = ours[0].memory / 1024, theirs[0].memory / 1024
    musts = [under(most_kilobytes, kilobytes, "KB", "memory")]
    if must is not None:
        musts.insert(0, at_least(must, mine, reference))
    shares = [it.cpu_seconds / it.seconds / CORES for it in (*ours, *theirs)]
    note = f"{number(kilobytes)} KB of memory a socket, bare {number(their_kilobytes)}; {share_of_cpu(shares)}"
    return Row(f"deliveries/s, {which}", mine, reference, tuple(musts), note)


def streams(db: sa.Engine, turns: int, seconds: int, number_of_them: int, must: float, most_kilobytes: float) -> Row:
    """Send boards to many streams, and, as the reference, to as many sockets of the same service."""
    say(f"deliveries to {number_of_them:,} streams")
    url = settings.load_or_exit().redis_url
    callers = _players(db, 12)
    found: dict[bool, list[Crowd]] = {True: [], False: []}
    for _ in range(turns):
        for as_streams, crowds in found.items():
            # A process of its own for each: memory that others have left would be no measure.
            with stack(PUSH_INTERVAL_MS="0") as quiet:
                load(Plan("pairs", quiet.port, 2, 1.0, callers))
                settled_within(db)
                pid = quiet.processes["web"].pid
                plan = CrowdPlan(quiet.port, pid, callers[0], number_of_them, seconds, url, False, streams=as_streams)
                crowds.append(crowd(plan))
        say(f"    {found[True][-1].per_second:,.0f} of {found[False][-1].per_second:,.0f}")
    mine, reference = (statistics.median(it.per_second for it in found[which]) for which in (True, False))
    kilobytes, theirs = (statistics.median(it.memory for it in found[which]) / 1024 for which in (True, False))
    shares = [it.cpu_seconds / it.seconds / CORES for it in (*found[True], *found[False])]
    return Row(
        f"deliveries/s, {number_of_them:,} streams",
        mine,
        reference,
        (at_least(must, mine, reference), under(most_kilobytes, kilobytes, "KB", "memory")),
        f"{number(kilobytes)} KB of memory a stream, sockets {number(theirs)}; {share_of_cpu(shares)}",
    )


def _players(db: sa.Engine, players: int) -> list[Caller]:
    """Begin with so many: what thousands did before is not what these rows are about."""
    empty(db)
    return make_players(db, players)


def percentiles(latencies: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    return percentile(latencies, 0.5) * 1000, percentile(latencies, 0.99) * 1000


def _medians(turns: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(it[0] for it in turns), statistics.median(it[1] for it in turns)


def _sockets(count: int) -> str:
    return "1 socket" if count == 1 else f"{count:,} sockets"
