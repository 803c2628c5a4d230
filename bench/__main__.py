"""`bin/bench`: measures the service beside its references, and writes bench/results.md."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from bench import against, build, pushes
from bench.boards import NAMES, boards
from bench.curve import curve
from bench.headline import renew
from bench.history import history as long_history
from bench.planning import planning
from bench.population import check_history, empty, make_players
from bench.ranks import ranks_of_a_million
from bench.reads import gets, gets_with_token
from bench.reference import Reference
from bench.report import RESULTS, filled, table
from bench.reports import reports
from bench.revision import RevisionError
from bench.row import Row, say
from bench.rows import Bench
from bench.settling import settling
from bench.stack import database, stack
from bench.starting import from_clone, starting

ACTIONS: Mapping[str, Callable[[Bench], list[Row]]] = {
    "actions": Bench.actions,
    "unbatched": lambda bench: [bench.unbatched()],
    "several": Bench.several,
    "reports": reports,
    "get": gets,
    "get-token": gets_with_token,
}
"""Rows on one running service with 10,000 players."""

OTHERS = NAMES[1:]

Alone = Callable[[sa.Engine, int, int], Row | list[Row]]

ALONE: Mapping[str, Alone] = {
    "push": lambda db, turns, seconds: pushes.latency(db, turns, seconds, 1, 20, (14, 30)),
    "push-default": lambda db, turns, seconds: pushes.latency(db, turns, seconds, 1, 20, None, interval=100),
    "push-1000": lambda db, turns, seconds: pushes.latency(db, turns, seconds, 1000, 10, (25, 60)),
    "deliveries": lambda db, turns, seconds: pushes.deliveries(db, turns, seconds, 2000, 0.7, 45),
    "deliveries-3": lambda db, turns, seconds: pushes.deliveries(db, turns, seconds, 2000, None, 40, OTHERS),
    "streams": lambda db, turns, seconds: pushes.streams(db, turns, seconds, 2000, 0.9, 35),
    "boards": boards,
    "settling": lambda db, turns, seconds: settling(db, turns, 1.3),
    "prepared": lambda db, turns, seconds: planning(db, turns),
    "ranks": ranks_of_a_million,
    "history": lambda db, turns, seconds: long_history(db, turns),
    "start": lambda db, turns, seconds: starting(turns, 6),
    "clone": lambda db, turns, seconds: from_clone(18),
}
"""Rows that begin with an empty database, and start what they need."""


def main() -> int:
    """Run the rows. Exit code 1 when one is not what it must be."""
    args = parse()
    db = database()
    subprocess.run([sys.executable, "-m", "db.migrate"], check=True, capture_output=True)
    if args.against:
        return beside(args, db)
    if args.curve:
        return 0 if curve(db, args.turns, args.seconds, args.dry) else 1
    rows: list[Row] = []
    history = ""
    if wanted := [name for name in ACTIONS if name in args.rows]:
        found, history = on_one_service(db, wanted, args.turns, args.seconds)
        rows += found
    for name, measure in ALONE.items():
        if name in args.rows:
            began = time.monotonic()
            measured = measure(db, args.turns, args.seconds)
            say(f"    took {time.monotonic() - began:.0f} s")
            rows += measured if isinstance(measured, list) else [measured]
    print(text := f"{heading(args.turns, args.seconds)}\n{table(rows)}\n{history}")
    if len(args.rows) == len(ACTIONS) + len(ALONE) and not args.dry:
        RESULTS.write_text(text)
        renew()
    return 0 if all(row.met for row in rows) else 1


def beside(args: argparse.Namespace, db: sa.Engine) -> int:
    """Measure this revision beside an older one."""
    try:
        rows = against.against(args.against, db, args.rows, args.turns, args.seconds)
    except RevisionError as error:
        say(f"bin/bench: {error}")
        return 2
    how = (
        f"{where()} Medians of {args.turns} turns of {args.seconds} s (pushes: twice as long), both services running, "
        f"one measured right after the other. In brackets stands the CPU at {args.against}."
    )
    print(f"{filled(how)}\n\n{table(rows, 'this', args.against)}")
    return 0 if all(row.met for row in rows) else 1


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    names = [*ACTIONS, *ALONE]
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="times that each row is measured beside its reference")
    parser.add_argument("--seconds", type=int, default=3, help="length of each measurement")
    parser.add_argument("--rows", help=f"run some rows only, write nothing: {', '.join(names)}")
    parser.add_argument(
        "--against",
        metavar="REV",
        help=f"measure an older revision beside this one, in turns; its rows: {', '.join(against.ROWS)}",
    )
    parser.add_argument(
        "--curve", action="store_true", help="measure over connections and players, for docs/performance.md"
    )
    parser.add_argument("--dry", action="store_true", help="write no results")
    args = parser.parse_args(argv)
    if args.against is not None:
        names = list(against.ROWS)
    args.rows = names if args.rows is None else args.rows.split(",")
    if unknown := set(args.rows) - set(names):
        parser.error(f"no such rows: {', '.join(sorted(unknown))}")
    return args


def on_one_service(db: sa.Engine, wanted: Sequence[str], turns: int, seconds: int) -> tuple[list[Row], str]:
    """Measure rows on one running service, then hold what it acknowledged against its database."""
    reference = Reference(db)
    say("making the reference's database")
    reference.make()
    empty(db)
    with stack() as running:
        bench = Bench(running, db, make_players(db, 10_000), reference, turns, seconds, [])
        bench.warm_up()
        rows = [row for name in wanted for row in ACTIONS[name](bench)]
        checked = check_history(db, bench.results)
        for problem in running.problems():
            say(problem)
    return rows, (
        f"\nHistory: each of {checked:,} acknowledged completions is in the database once; totals and standings are "
        "their sums.\n"
    )


def heading(turns: int, seconds: int) -> str:
    """Say when, where and how it was measured."""
    how = (
        f"{where()} Medians of {turns} turns of {seconds} s, each beside its reference: for actions pgbench at 16 "
        "clients, stock durability on both sides, one insert and one transaction (user locked, action and total "
        "updated) for each action and nothing else; for GET a bare ASGI callable with the same bytes; for messages "
        "PUBLISH by hand through the same sockets; for deliveries a bare loop of `send` in the same server. The CPU of "
        "PostgreSQL is that of the connections' servers, and in brackets stands what the reference took."
    )
    return f"# Results of `bin/bench`\n\n{filled(how)}\n"


def where() -> str:
    """Say on which day, machine and Python it was measured."""
    cores = f"{os.cpu_count()} cores for everything (load generator, service, stores)"
    return f"{datetime.now(UTC):%Y-%m-%d}, {cores}, {build.describe()}."


if __name__ == "__main__":
    sys.exit(main())
