"""`bin/bench --curve`: the same actions over more and more connections, and over more and more players."""

from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from bench.behind import Step, behind
from bench.overload import CONNECTIONS, Overload, overload
from bench.plot import plot
from bench.population import add_standings, callers_among, check_history, empty, make_players
from bench.reference import Reference
from bench.report import PERFORMANCE, ROOT, insert
from bench.row import number, say
from bench.rows import Bench, Pairs
from bench.stack import stack

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PLAYERS = {1_000: "1k", 100_000: "100k", 1_000_000: "1M"}
CALLERS = 10_000

Curve = Mapping[int, Pairs]


def curve(db: sa.Engine, turns: int, seconds: int, dry: bool) -> bool:
    """Measure everything, write plots and tables into docs; tell whether every must was met."""
    connections, floods = over_connections(db, turns, seconds)
    players = over_players(db, turns, seconds)
    steps = behind(db, max(5, 2 * seconds))
    text = "\n\n".join(
        (
            f"Medians of {turns} turns of {seconds} s.",
            table("connections", connections, lambda step: f"{step:,}"),
            table("players, 64 connections", players, lambda step: f"{step:,}"),
            flood_table(floods),
            behind_table(steps),
        )
    )
    print(text)
    if not dry:
        draw("connections", "Start and complete, 10,000 players", "connections", connections, str)
        draw("players", "Start and complete, 64 connections", "players", players, PLAYERS.__getitem__)
        insert(PERFORMANCE, "curve", text)
    return all(must.met for flood in floods for must in flood.musts)


def over_connections(db: sa.Engine, turns: int, seconds: int) -> tuple[Curve, list[Overload]]:
    """Take every number of connections in turns, then far too many."""
    say(f"start and complete over {', '.join(map(str, STEPS))} connections")
    empty(db)
    with stack() as running:
        bench = Bench(running, db, make_players(db, CALLERS), Reference(db), turns, seconds, [])
        bench.warm_up()
        taken = {step: Pairs() for step in STEPS}
        for _ in range(turns):
            say("    " + ", ".join(number(bench.pairs(step, taken[step])) for step in STEPS))
        floods = [overload(bench, patient=patient) for patient in (True, False)]
        check_history(db, bench.results)
    return taken, floods


def over_players(db: sa.Engine, turns: int, seconds: int) -> Curve:
    """Take one number of players after the other: each needs the database for itself."""
    taken = {}
    for players in PLAYERS:
        say(f"start and complete among {players:,} players")
        empty(db)
        add_standings(db, players)
        with stack() as running:
            callers = callers_among(players, min(players, CALLERS))
            bench = Bench(running, db, callers, Reference(db), turns, seconds, [])
            bench.warm_up()
            taken[players] = Pairs()
            say("    " + ", ".join(number(bench.pairs(64, taken[players])) for _ in range(turns)))
    return taken


def draw(name: str, title: str, steps_name: str, taken: Curve, label: Callable[[int], str]) -> None:
    """Write a plot of rate and latency."""
    panels = [
        ("pairs a second", [it.median for it in taken.values()]),
        ("p99 of a request, ms", [it.p99 for it in taken.values()]),
    ]
    path = ROOT / "docs" / f"performance-{name}.svg"
    path.write_text(plot(title, steps_name, [label(step) for step in taken], panels))


def table(name: str, taken: Curve, label: Callable[[int], str]) -> str:
    """Write what a plot shows as Markdown."""
    lines = [f"| {name} | pairs/s | p99 of a request, ms | settled after the end, s |", "| ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {label(step)} | {number(it.median)} | {number(it.p99)} | {max(it.late):.1f} |" for step, it in taken.items()
    ]
    return "\n".join(lines)


def flood_table(floods: Sequence[Overload]) -> str:
    """Write what happened past saturation as Markdown, a column for each kind of client."""
    again = {True: "ask again when Retry-After says", False: "ask again at once"}
    rows: dict[str, list[str]] = {
        f"{CONNECTIONS:,} connections": [again[it.patient] for it in floods],
        "---": ["---"] * len(floods),
        "pairs/s before, during, right after": [
            f"{it.before:,.0f}, {it.during:,.0f}, {it.after:,.0f}" for it in floods
        ],
        "requests taken, and how long they took": [
            f"{it.taken:,}; p50 {it.taken_p50:.2f} s, p99 {it.taken_p99:.2f} s" for it in floods
        ],
        "requests shed with 503 and Retry-After": [f"{it.shed:,}; p99 {it.shed_p99:.2f} s" for it in floods],
        "must": ["; ".join(map(str, it.musts)) for it in floods],
    }
    return "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())


def behind_table(steps: Sequence[Step]) -> str:
    """Write how the lag grew as Markdown."""
    lines = [
        "| workers | completions/s | median lag, s | least and most in the second half, s | caught up after, s |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {it.workers} | {it.rate:,.0f} | {it.median:.2f} | {it.least:.2f} to {it.most:.2f} | {it.drained:.1f} |"
        for it in steps
    ]
    return "\n".join(lines)
