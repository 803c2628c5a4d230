"""The rows about reading the board: beside a bare callable, with a token beside without, and when nothing is new."""

import sys
import urllib.request

from bench.load import Plan
from bench.row import Row, at_least, number, say
from bench.rows import Bench, Pairs
from bench.stack import free_port, wait_for

CONNECTIONS = 64
READERS = 1000
"""Players whose tokens are used in turn."""

BARE = 0.6
"""The share that has to be reached of a bare callable."""

WITH_TOKEN = 0.8
"""The share that has to be reached with a token of what is reached without."""

SLICES = 4
"""Parts of a turn: a shared machine's mood changes within seconds, and both are to be measured in the same."""


def gets(bench: Bench) -> list[Row]:
    """Read the board without a token, beside a bare callable that answers the same bytes."""
    say(f"GET /top-scores, {CONNECTIONS} connections, and a bare callable")
    body, _ = _board(bench)
    port = free_port()
    bench.stack.start("bare", f"{sys.executable} -m bench.bare {port} '{body}'")
    mine, theirs = Pairs(), Pairs()
    try:
        wait_for(port, "/")
        for _ in range(bench.turns):
            turn = [bench.play(plan(bench), mine), bench.play(plan(bench, port=port), theirs)]
            say("    " + ", ".join(map(number, turn)))
    finally:
        bench.stack.end("bare")
    name = f"GET /top-scores/s, {CONNECTIONS} connections, one process"
    return [_row(name, mine, theirs, BARE)]


def gets_with_token(bench: Bench) -> list[Row]:
    """Read the board with the tokens of a thousand players, beside without; the same when nothing is new (304)."""
    say(f"GET /top-scores, {CONNECTIONS} connections: without and with a token; both with an ETag that is known")
    _, etag = _board(bench)
    found: dict[tuple[str, bool], Pairs] = {(it, token): Pairs() for it in ("", etag) for token in (False, True)}
    for part in range(bench.turns * SLICES + 1):
        rates = []
        for (known, token), into in found.items():
            # The first of all is each player's first: their tokens are verified, and not what is measured.
            where = into if part else Pairs()
            rates.append(bench.play(plan(bench, token=token, etag=known, parts=SLICES), where))
        say("    " + ", ".join(map(number, rates)))
    rows = []
    for known, what in (("", ""), (etag, ", answered 304")):
        name = f"GET /top-scores/s with a token{what}, {CONNECTIONS} connections (reference: without)"
        rows.append(_row(name, found[known, True], found[known, False], WITH_TOKEN, compared=True))
    return rows


def plan(bench: Bench, *, token: bool = False, etag: str = "", port: int | None = None, parts: int = 1) -> Plan:
    """Return the plan that reads the board, for one of so many parts of a turn."""
    callers = bench.callers[:READERS] if token else []
    return Plan("get", port or bench.stack.port, CONNECTIONS, bench.seconds / parts, callers, etag=etag)


def _row(name: str, mine: Pairs, theirs: Pairs, share: float, *, compared: bool = False) -> Row:
    must = at_least(share, mine.median, theirs.median)
    return Row(name, mine.median, theirs.median, (must,), mine.note, mine.cost, theirs.cost if compared else {})


def _board(bench: Bench) -> tuple[str, str]:
    """Return the board's text and its ETag."""
    with urllib.request.urlopen(f"http://127.0.0.1:{bench.stack.port}/top-scores", timeout=5) as answer:
        return answer.read().decode(), answer.headers["ETag"]
