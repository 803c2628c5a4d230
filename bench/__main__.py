"""`bin/bench`: measures the service beside its references, and writes bench/results.md."""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.reference import Reference
from bench.rows import Bench, Row, say
from bench.stack import check_history, database, empty, make_players, stack

RESULTS = Path(__file__).parent / "results.md"


def table(rows: Sequence[Row]) -> str:
    """Write the rows as Markdown."""
    lines = ["| | ours | reference | ratio | must | |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        must = "" if row.must is None else f"{row.must:.2f} {'✓' if row.met else '✗'}"
        reference = "" if row.reference is None else number(row.reference)
        lines.append(f"| {row.name} | {number(row.ours)} | {reference} | {ratio} | {must} | {row.note} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Write a number with as many digits as say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def main() -> int:
    """Run every row. Exit code 1 when one is not what it must be."""
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="times that each row is measured beside its reference")
    parser.add_argument("--seconds", type=int, default=4, help="length of each measurement")
    parser.add_argument("--dry", action="store_true", help="don't write bench/results.md")
    args = parser.parse_args()
    subprocess.run([sys.executable, "-m", "db.migrate"], check=True, capture_output=True)
    db = database()
    reference = Reference(db)
    say("making the reference's database")
    reference.make()
    empty(db)
    with stack() as running:
        bench = Bench(running, db, make_players(db, 10_000), reference, args.turns, args.seconds, [])
        bench.warm_up()
        rows = [
            bench.pairs(32, None),
            bench.pairs(64, 0.45),
            bench.pairs(256, None),
            bench.puts(0.6),
            bench.gets(0.6),
        ]
        checked = check_history(db, bench.results)
        problems = running.problems()
    # Alone: a worker that settles thousands is not what these are about.
    empty(db)
    bench.callers = make_players(db, 1)
    rows += [
        bench.pushes(1, 20, (14, 30)),
        bench.pushes(1, 20, (150, 250), interval="100"),
        bench.pushes(1000, 10, (25, 60)),
    ]
    text = f"""# Results of `bin/bench`

{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores for everything (load generator, service, stores),
Python {platform.python_version()}. Medians of {args.turns} turns of {args.seconds} s, each beside its reference:
for actions pgbench at 16 clients, stock durability on both sides, one insert and one transaction (user locked, action
and total updated) for each action and nothing else; for GET a bare ASGI callable with the same bytes.

{table(rows)}

History: each of {checked:,} acknowledged completions is in the database once; totals and standings are their sums.
"""
    print(text)
    for problem in problems:
        say(problem)
    if not args.dry:
        RESULTS.write_text(text)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
