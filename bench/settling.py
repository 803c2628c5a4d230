"""The row about settling: does it take longer with a hundred times the standings?"""

import os
import statistics
import subprocess
import sys
import time
import tomllib

import sqlalchemy as sa

from app.board.settle import settle
from app.board.vetting import Vetting
from app.domain import fraud
from app.domain.board_rules import BoardRule
from app.domain.ids import DEFAULT_BOARD
from bench.population import add_standings, complete
from bench.row import Must, Row, say
from bench.stack import HIGH_FRAUD
from db import engine

ACTIONS = 100
SMALL, LARGE = 10_000, 1_000_000
ROUNDS = 60
"""Times that each is settled in a turn: one takes a few milliseconds, and the machine's mood is not to count."""


def settling(db: sa.Engine, turns: int, must: float) -> Row:
    """Settle a hundred actions of random players, in turns in a small and in a large database."""
    say(f"settling {ACTIONS} actions with {SMALL:,} and {LARGE:,} standings")
    vetting = Vetting(fraud.parse(tomllib.loads(HIGH_FRAUD)), default_award=10)
    small, large = database_of(db, "small"), database_of(db, "large")
    for made, players in ((small, SMALL), (large, LARGE)):
        add_standings(made, players)
    took: dict[int, list[float]] = {SMALL: [], LARGE: []}
    for number in range(turns * ROUNDS + 10):
        for where, size in ((small, SMALL), (large, LARGE)):
            ids = complete(where, size, ACTIONS)
            began = time.perf_counter()
            with where.begin() as conn:
                settled = settle(conn, {DEFAULT_BOARD: BoardRule(id=DEFAULT_BOARD, title="All time")}, ids, vetting)
            seconds = time.perf_counter() - began
            assert settled.cleared == ACTIONS, settled
            if number >= 10:  # the first ones find everything cold
                took[size].append(seconds)
    small.dispose()
    large.dispose()
    few, many = (1000 * statistics.median(took[size]) for size in (SMALL, LARGE))
    say(f"    {few:.1f} and {many:.1f} ms")
    name = f"settling {ACTIONS} actions with {LARGE:,} standings, ms (reference: with {SMALL:,})"
    return Row(name, many, few, (Must(f"< {must:g}", many / few < must),), f"median of {turns * ROUNDS}")


def database_of(db: sa.Engine, name: str, like: sa.Engine | None = None) -> sa.Engine:
    """Make a database next to the service's: an empty one, or a copy of one that nobody else is connected to."""
    url = db.url.set(database=name)
    with db.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text(f"DROP DATABASE IF EXISTS {name}"))
        if like is not None:
            like.dispose()
            conn.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {like.url.database} STRATEGY file_copy"))
        else:
            conn.execute(sa.text(f"CREATE DATABASE {name}"))
    plain = url.render_as_string(hide_password=False)
    env = {**os.environ, "DATABASE_URL": plain}
    subprocess.run([sys.executable, "-m", "db.migrate"], env=env, check=True, capture_output=True)
    return engine.connect(plain, engine.OPERATOR, pool_size=1, name="bench")
