"""The rows about requests: actions beside pgbench, and the board beside a bare callable."""

import statistics
import time
from dataclasses import dataclass, field
from functools import cached_property

import sqlalchemy as sa

from bench import cost
from bench.cost import Cost
from bench.cpu import Meter
from bench.load import Caller, Plan, Result, percentile
from bench.population import settled_within
from bench.reference import Reference, combined
from bench.row import CORES, Row, at_least, in_turns, number, say, share_of_cpu, under
from bench.stack import Stack, load

CLIENTS = 16
"""pgbench's best number of clients here."""

SETTLED = 1.0
"""Seconds after the end within which everything must be settled."""

PAIRS: dict[int, float | None] = {32: 0.45, 64: 0.55, 256: 0.65}
"""Connections, and the share of pgbench that has to be reached."""

PUTS: dict[int, float | None] = {64: None, 256: 0.6}
"""The same of pgbench's completing transaction. It is measured with its best number of clients, and so are we."""


METHODS = ("POST", "PUT", "GET")


@dataclass
class Pairs:
    """What one kind of run came to, turn by turn."""

    per_second: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)

    def add(self, result: Result, late: float, cost: Cost) -> float:
        self.per_second.append(result.per_second)
        self.slowest.append(percentile([it for method in METHODS for it in result.latencies[method]], 0.99))
        self.late.append(late)
        self.costs.append(cost)
        self.shares.append(result.cpu_seconds / result.seconds / CORES)
        return result.per_second

    @property
    def median(self) -> float:
        return statistics.median(self.per_second)

    @property
    def p99(self) -> float:
        """The median of the turns, in milliseconds."""
        return 1000 * statistics.median(self.slowest)

    @property
    def cost(self) -> Cost:
        """The medians of the turns, in microseconds."""
        return cost.median(self.costs)

    @property
    def note(self) -> str:
        return f"p99 of a request {self.p99:.0f} ms; {share_of_cpu(self.shares)}"


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

    @cached_property
    def meter(self) -> Meter:
        """What tells the CPU of the service's processes."""
        return Meter(self.stack, self.db)

    def play(self, plan: Plan, into: Pairs) -> float:
        """Run a plan, wait until everything is settled, note both, and return the rate."""
        before = self.meter.read()
        result = self.run(plan)
        late = settled_within(self.db, 120)
        return into.add(result, late, self.meter.since(before, result.done, result.cpu_seconds))

    def run(self, plan: Plan) -> Result:
        result = load(plan)
        self.results.append(result)
        return result

    def actions(self) -> list[Row]:
        """Start and complete actions with few and many connections, and complete some that were started before."""
        pairs, puts = (", ".join(map(str, connections)) for connections in (PAIRS, PUTS))
        say(f"pgbench; start and complete, {pairs} connections; pgbench; complete alone, {puts} connections")
        taken = {connections: Pairs() for connections in PAIRS}
        alone = {connections: Pairs() for connections in PUTS}
        both, transactions = [], []
        for _ in range(self.turns):
            inserts, completions = self.reference.pairs(CLIENTS, self.seconds)
            transactions.append(completions)
            both.append(combined(inserts, completions))
            turn = [both[-1], *(self.pairs(connections, taken[connections]) for connections in PAIRS)]
            turn += [completions, *(self.puts(connections, alone[connections]) for connections in PUTS)]
            say("    " + ", ".join(map(number, turn)))
        return [
            *_rows("start+complete pairs/s", PAIRS, taken, statistics.median(both)),
            *_rows("PUT alone/s", PUTS, alone, statistics.median(transactions)),
        ]

    def pairs(self, connections: int, into: Pairs, port: int | None = None) -> float:
        """Start and complete actions, and wait until all of them are settled."""
        return self.play(Plan("pairs", port or self.stack.port, connections, self.seconds, self.callers), into)

    def puts(self, connections: int, into: Pairs) -> float:
        """Complete actions that were started before."""
        actions = self._start(self.seconds * 9000)
        return self.play(Plan("puts", self.stack.port, connections, self.seconds, self.callers, actions), into)

    def _start(self, number: int) -> list[tuple[int, str]]:
        with self.db.begin() as conn:
            rows = conn.execute(
                sa.text("""
                    INSERT INTO actions (id, user_id, type)
                    SELECT uuidv7(), (CAST(:users AS uuid[]))[1 + mod(n, :players)], 'default'
                    FROM generate_series(0, :number - 1) AS n RETURNING id::text, user_id::text
                """),
                {"users": [it.user_id for it in self.callers], "players": len(self.callers), "number": number},
            ).all()
        with self.db.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(sa.text("VACUUM ANALYZE actions"))  # as those of pgbench are
        places = {caller.user_id: place for place, caller in enumerate(self.callers)}
        return [(places[user_id], action_id) for action_id, user_id in rows]

    def unbatched(self) -> Row:
        """Start and complete actions without what makes it fast, beside the service as it is."""
        say("start and complete without batches, 64 connections, and as it is")
        port = self.stack.start_web("unbatched", line="python -m bench.unbatched")
        taken, beside = Pairs(), Pairs()
        self.pairs(64, Pairs(), port)
        in_turns(self.turns, lambda: self.pairs(64, taken, port), lambda: self.pairs(64, beside))
        self.stack.end("unbatched")
        note = f"reference: the service as it is; settled {max(taken.late):.1f} s after the end; {taken.note}"
        name = "start+complete pairs/s, 64 connections, batches of 1 and a message for each action"
        return Row(name, taken.median, beside.median, (), note, taken.cost)

    def several(self) -> list[Row]:
        """Start and complete actions with two web processes, two workers, and two of both, beside one of each."""
        say("one of each, two web processes, two workers, two of both; 64 connections")
        two = self.stack.start_web("two", processes=2)
        for _ in range(2):
            self.pairs(64, Pairs(), two)
        one, webs, workers, both = Pairs(), Pairs(), Pairs(), Pairs()
        for _ in range(self.turns):
            turn = [self.pairs(64, one), self.pairs(64, webs, two)]
            self.stack.start_worker(1)
            turn += [self.pairs(64, workers), self.pairs(64, both, two)]
            self.stack.end("worker-1")
            say("    " + ", ".join(map(number, turn)))
        self.stack.end("two")
        kinds = {"`WEB_CONCURRENCY=2`": webs, "two workers": workers, "`WEB_CONCURRENCY=2` and two workers": both}
        return [
            Row(
                f"start+complete pairs/s, 64 connections, {kind}",
                it.median,
                one.median,
                (),
                f"reference: one of each, p99 {one.p99:.0f} ms; settled {max(it.late):.1f} s after the end; {it.note}",
                it.cost,
            )
            for kind, it in kinds.items()
        ]

    def warm_up(self) -> None:
        """Let every player play once: tokens are verified and users looked up on first sight."""
        say("warming up")
        began = time.monotonic()
        played = 0
        while played < len(self.callers) and time.monotonic() - began < 60:
            callers = [*self.callers[played:], *self.callers[:played]]  # each run begins with the first
            played += self.run(Plan("pairs", self.stack.port, 128, 3, callers)).done
        settled_within(self.db)


def _rows(what: str, musts: dict[int, float | None], taken: dict[int, Pairs], reference: float) -> list[Row]:
    """Return the rows of one kind of run, one for each number of connections."""
    rows = []
    for connections, must in musts.items():
        it = taken[connections]
        share = () if must is None else (at_least(must, it.median, reference),)
        settled = under(SETTLED, max(it.late), "s", "settled")
        rows.append(
            Row(f"{what}, {connections} connections", it.median, reference, (*share, settled), it.note, it.cost)
        )
    return rows
