"""The rows about several boards: what three of them cost beside one."""

import contextlib
import statistics
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from app.board.settle import settle
from app.board.vetting import Vetting
from app.domain import board_rules, fraud
from bench.cost import Cost, median
from bench.cpu import Meter
from bench.load import Plan
from bench.population import add_standings, complete, empty, make_players, settled_within
from bench.row import Must, Row, number, say
from bench.settling import ACTIONS, ROUNDS, database_of
from bench.stack import HIGH_FRAUD, load, stack

ONE = '[boards.all-time]\ntitle = "All time"\n'
THREE = ONE + '[boards.daily]\nwindow = "daily"\n[boards.weekly]\nwindow = "weekly"\n'
NAMES = ("all-time", "daily", "weekly")
PLAYERS = 10_000
CONNECTIONS = 64
PAIRS = 0.9
SETTLING = 1.5


@contextlib.contextmanager
def boards_file(text: str) -> Iterator[str]:
    """Write a file of boards for as long as it is needed, and yield its path."""
    with tempfile.TemporaryDirectory(prefix="scoreboard-bench-") as directory:
        path = Path(directory) / "boards.toml"
        path.write_text(text)
        yield str(path)


def boards(db: sa.Engine, turns: int, seconds: int) -> list[Row]:
    """Complete actions, and settle a hundred of them, onto one board and onto three, in turns."""
    return [_pairs(db, turns, seconds), _settling(db, turns)]


def _pairs(db: sa.Engine, turns: int, seconds: int) -> Row:
    say(f"start and complete, {CONNECTIONS} connections, onto one board and onto three")
    empty(db)
    callers = make_players(db, PLAYERS)
    found: dict[str, list[float]] = {ONE: [], THREE: []}
    costs: dict[str, list[Cost]] = {ONE: [], THREE: []}
    late = 0.0
    for turn in range(turns):
        for text in (ONE, THREE) if turn % 2 == 0 else (THREE, ONE):
            with boards_file(text) as path, stack(BOARDS_FILE=path) as running:
                load(Plan("pairs", running.port, CONNECTIONS, 1.0, callers))
                settled_within(db, 120)
                meter = Meter(running, db)
                before = meter.read()
                result = load(Plan("pairs", running.port, CONNECTIONS, seconds, callers))
                found[text].append(result.per_second)
                late = max(late, settled_within(db, 120))
                costs[text].append(meter.since(before, result.done, result.cpu_seconds))
        say(f"    {number(found[ONE][-1])} and {number(found[THREE][-1])}")
    one, three = (statistics.median(found[text]) for text in (ONE, THREE))
    must = Must(f">= {PAIRS:g}", three / one >= PAIRS)
    name = f"start+complete pairs/s onto three boards, {CONNECTIONS} connections (reference: onto one)"
    note = f"all settled {late:.1f} s after the end"
    return Row(name, three, one, (must,), note, median(costs[THREE]), median(costs[ONE]))


def _settling(db: sa.Engine, turns: int) -> Row:
    say(f"settling {ACTIONS} actions onto one board and onto three")
    vetting = Vetting(fraud.parse(tomllib.loads(HIGH_FRAUD)), default_award=10)
    where = database_of(db, "boards")
    add_standings(where, PLAYERS)
    took: dict[str, list[float]] = {ONE: [], THREE: []}
    rules = {text: board_rules.parse(tomllib.loads(text)) for text in took}
    for turn in range(turns * ROUNDS + 10):
        for text in (ONE, THREE) if turn % 2 == 0 else (THREE, ONE):
            ids = complete(where, PLAYERS, ACTIONS)
            began = time.perf_counter()
            with where.begin() as conn:
                settled = settle(conn, rules[text], ids, vetting)
            seconds = time.perf_counter() - began
            assert settled.cleared == ACTIONS, settled
            if turn >= 10:  # the first ones find everything cold
                took[text].append(seconds)
    where.dispose()
    one, three = (1000 * statistics.median(took[text]) for text in (ONE, THREE))
    say(f"    {one:.1f} and {three:.1f} ms")
    name = f"settling {ACTIONS} actions onto three boards, ms (reference: onto one)"
    return Row(name, three, one, (Must(f"<= {SETTLING:g}", three / one <= SETTLING),), f"median of {turns * ROUNDS}")
