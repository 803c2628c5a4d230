"""`bin/bench --hosts`: what each added host gives, and what the end of one costs; writes docs/scaling.md's curve."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from bench.hosts.fleet import fleet
from bench.hosts.kernel import CannotError
from bench.hosts.measure import FLOOD_SHARE, Sizes, measure
from bench.hosts.page import draw, part
from bench.report import ROOT, insert
from bench.row import say

PAGE = ROOT / "docs" / "scaling.md"
CANNOT = 3
ENDING = (signal.SIGINT, signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it.

    Returns: 1 when a must isn't met, 3 when this machine can't, 130 after Ctrl-C.
    """
    args = parse(argv)
    for number in ENDING:
        signal.signal(number, leave)
    shares = {"postgresql": args.postgresql, "redis": 0.2, "web": args.share, "worker": 0.3}
    sizes = Sizes(args.turns, args.seconds, args.connections, args.sockets, args.flood)
    try:
        with fleet(args.web, shares, args.delay, PUSH_INTERVAL_MS="0") as running:
            say(f"{args.web} web hosts of {args.share:g} core each, {args.delay} ms from everything")
            measured = measure(running, sizes)
            for problem in running.problems():
                say(problem)
    except CannotError as error:
        print(f"bin/bench --hosts: this machine can't: {error}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        print("bin/bench --hosts: stopped; all hosts are gone", file=sys.stderr)
        return 130
    print(text := part(measured, heading(args)))
    if not args.dry:
        draw(measured)
        insert(PAGE, "hosts", text, by="bin/bench --hosts")
    return 0 if all(must.met for must in measured.musts) else 1


def heading(args: argparse.Namespace) -> str:
    """Say what ran where."""
    return (
        f"Web hosts of {args.share:g} core each, PostgreSQL with {args.postgresql:g}, Redis with 0.2, the worker with "
        f"0.3, {args.delay} ms each way between any two; {args.connections} connections and {args.sockets} sockets a "
        f"web host. {os.cpu_count()} cores for everything, {_turns(args.turns)} of {args.seconds:g} s. In the "
        f"flood a worker host has {FLOOD_SHARE:g} core, and PostgreSQL a whole one."
    )


def _turns(turns: int) -> str:
    return "one turn" if turns == 1 else f"medians of {turns} turns"


def leave(number: int, frame: FrameType | None) -> NoReturn:
    """End, and let no second signal disturb the cleaning up."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bin/bench --hosts", description=__doc__)
    parser.add_argument("--web", type=int, default=6, choices=range(2, 9), help="web hosts at most (default: 6)")
    parser.add_argument("--share", type=float, default=0.1, help="of a core, for each web host (default: 0.1)")
    parser.add_argument("--postgresql", type=float, default=0.25, help="of a core, for PostgreSQL (default: 0.25)")
    parser.add_argument("--delay", type=int, default=1, help="whole milliseconds each way between hosts (default: 1)")
    parser.add_argument("--turns", type=int, default=3, help="times that each number of hosts is measured")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--connections", type=int, default=32, help="to each web host")
    parser.add_argument("--sockets", type=int, default=200, help="on each web host")
    parser.add_argument("--flood", type=int, default=6000, help="completions that come at once to the worker hosts")
    parser.add_argument("--dry", action="store_true", help="write no results")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
