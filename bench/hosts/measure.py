"""The measurements on a running fleet, one after the other."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from celery import Celery

from bench.hosts.fleet import WEB_PORT, Fleet
from bench.hosts.roaming import Roamed, roam
from bench.hosts.spread import deliveries
from bench.load import Caller, Plan, Result
from bench.population import add_standings, check_history, complete, empty, make_players, settled_within
from bench.row import Must, number, say
from bench.stack import database, load
from config import queues, settings

CALLERS = 200
"""Players that play on each web host."""

FULL = 0.9
"""Share of what PostgreSQL may take from which on it counts as full."""

FLOOD_SHARE = 0.2
PLAYERS = 10_000
ROAMING = 12.0
"""Seconds that clients play while a host is killed."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything: turns, seconds, and what each web host has to do."""

    turns: int
    seconds: float
    connections: int
    sockets: int
    flood: int


@dataclass
class Step:
    """What so many web hosts came to, by turn; shares are of what the host may take."""

    hosts: int
    pairs: list[float] = field(default_factory=list)
    postgresql: list[float] = field(default_factory=list)
    web: list[float] = field(default_factory=list)
    deliveries: list[float] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether PostgreSQL was."""
        return statistics.median(self.postgresql) >= FULL


@dataclass
class Measured:
    """Everything that was found; `floods` are seconds until all was settled, by number of worker hosts."""

    steps: list[Step]
    postgresql: float
    floods: list[float]
    roamed: Roamed
    checked: int

    @property
    def musts(self) -> list[Must]:
        """What has to be so."""
        return [
            Must(
                f"pairs/s ≥ 0.9 of one host's for each, until PostgreSQL is full: {_least(self.open_steps()):.2f}",
                _least(self.open_steps()) >= 0.9,
            ),
            Must(f"deliveries/s ≥ 0.9 of one host's for each: {self.delivered():.2f}", self.delivered() >= 0.9),
            Must(f"the flood with a second worker host ≤ 0.6: {self.flood_ratio():.2f}", self.flood_ratio() <= 0.6),
            Must("sockets of a killed host have a board elsewhere within 5 s, nothing lost", self.back()),
        ]

    def open_steps(self) -> list[float]:
        """Return each number of hosts' share of as many times one, up to where PostgreSQL is full."""
        one = statistics.median(self.steps[0].pairs)
        return [statistics.median(it.pairs) / one / it.hosts for it in self.steps[1:] if not it.full]

    def delivered(self) -> float:
        """Return the least of each number of hosts' deliveries over as many times one's."""
        one = statistics.median(self.steps[0].deliveries)
        return min(statistics.median(it.deliveries) / one / it.hosts for it in self.steps[1:])

    def flood_ratio(self) -> float:
        """Return how long a flood takes with a second worker host, over how long without."""
        return self.floods[1] / self.floods[0]

    def back(self) -> bool:
        """Whether every lost socket came back in time."""
        return self.roamed.still_away == 0 and 0 < max(self.roamed.away, default=0.0) < 5.0


def _least(shares: Sequence[float]) -> float:
    return min(shares, default=0.0)


def measure(running: Fleet, sizes: Sizes) -> Measured:
    """Take everything; the last web host is killed towards the end."""
    db = database()
    callers = make_players(db, CALLERS * len(running.web))
    results = [result for _ in range(2) for result in _load(running, len(running.web), callers, sizes)[0]]  # warms up
    steps = [Step(place + 1) for place in range(len(running.web))]
    url = settings.load_or_exit().redis_url
    for _ in range(sizes.turns):
        for step in steps:
            results += _pairs(running, step, callers, sizes)
            settled_within(db, 120)
        for step in steps:
            hosts = running.web[: step.hosts]
            step.deliveries.append(deliveries(hosts, callers[0], sizes.sockets, sizes.seconds, url))
        say("    " + "; ".join(f"{number(it.pairs[-1])} pairs, {number(it.deliveries[-1])} boards" for it in steps))
    roamed = _kill_one(running, callers, sizes)
    settled_within(db, 120)
    results.append(Result(len(roamed.completed), ROAMING, 0.0, {}, {}, roamed.completed))
    checked = check_history(db, results)
    floods = _floods(running, db, sizes)
    return Measured(steps, running.postgresql.share, floods, roamed, checked)


def _pairs(running: Fleet, step: Step, callers: Sequence[Caller], sizes: Sizes) -> list[Result]:
    results, postgresql, web = _load(running, step.hosts, callers, sizes)
    step.pairs.append(sum(it.done / it.seconds for it in results))
    step.postgresql.append(postgresql)
    step.web.append(web)
    return results


def _load(running: Fleet, hosts: int, callers: Sequence[Caller], sizes: Sizes) -> tuple[list[Result], float, float]:
    """Load so many hosts from inside; return what came of it, and PostgreSQL's and their share while it went on."""
    loading = []
    for place, host in enumerate(running.web[:hosts]):
        mine = list(callers[place * CALLERS : (place + 1) * CALLERS])
        plan = Plan("pairs", WEB_PORT, sizes.connections, sizes.seconds, mine)
        loading.append(host.namespace.begin(lambda plan=plan: load(plan)))  # type: ignore[misc]
    groups = [running.postgresql.group, *(it.group for it in running.web[:hosts])]
    time.sleep(sizes.seconds * 0.4)
    began, before = time.monotonic(), [it.cpu() for it in groups]
    time.sleep(sizes.seconds * 0.5)
    seconds = time.monotonic() - began
    postgresql, *web = [(it.cpu() - was) / seconds for it, was in zip(groups, before, strict=True)]
    results = [it.result() for it in loading]
    return results, postgresql / running.postgresql.share, statistics.mean(web) / running.web[0].share


def _kill_one(running: Fleet, callers: Sequence[Caller], sizes: Sizes) -> Roamed:
    say("players and sockets on all web hosts, of which one is killed")
    ports = [running.port(place) for place in range(len(running.web))]
    sockets = min(sizes.sockets, 30) * len(ports)
    return asyncio.run(roam(callers[: 4 * len(ports)], ports, sockets, running.web[-1].kill, ROAMING))


def _floods(running: Fleet, db: sa.Engine, sizes: Sizes) -> list[float]:
    """Let a flood come to one worker host, then to two; return the median seconds until all is settled."""
    say(f"{sizes.flood:,} completions at once to one worker host, and to two")
    empty(db)
    add_standings(db, PLAYERS)
    running.postgresql.bound(1.0)
    broker = Celery("bench", broker=settings.load_or_exit().broker_url, set_as_current=False)
    broker.conf.update(task_ignore_result=True, task_routes=queues.ROUTES)
    found = []
    for workers in (1, 2):
        if workers == 2:
            _add_worker(running)
        for one in running.workers[:workers]:
            one.bound(FLOOD_SHARE)
        taken = []
        for _ in range(sizes.turns):
            ids = complete(db, PLAYERS, sizes.flood)
            began = time.monotonic()
            for first in range(0, len(ids), queues.BATCH):
                broker.send_task(queues.SETTLE, args=[ids[first : first + queues.BATCH]], ignore_result=True)
            settled_within(db, 120)
            taken.append(time.monotonic() - began)
        say("    " + ", ".join(f"{it:.1f} s" for it in taken))
        found.append(statistics.median(taken))
    broker.close()
    return found


def _add_worker(running: Fleet) -> None:
    log = running.directory / "worker-1.log"
    running.start_worker(1)
    deadline = time.monotonic() + 60
    while "ready" not in (log.read_text(errors="replace") if log.exists() else ""):
        if time.monotonic() > deadline:
            raise TimeoutError("the second worker host's worker doesn't start")
        time.sleep(0.1)
