"""The rows about prepared statements: what settling costs PostgreSQL with them, beside what it costs without."""

import statistics
import time
import tomllib
from pathlib import Path

import sqlalchemy as sa

from app.board.settle import settle
from app.board.vetting import Vetting
from app.domain import fraud
from app.domain.board_rules import BoardRule
from app.domain.ids import DEFAULT_BOARD
from bench.population import add_standings, complete
from bench.row import Must, Row, say
from bench.settling import database_of
from bench.stack import HIGH_FRAUD
from db import engine
from db.transaction import in_transaction

PLAYERS = 10_000
ROUNDS = 100
"""Times that each is settled in a turn."""
MUSTS = {1: 0.65, 16: 0.8}
"""Actions in a batch, and the share of the CPU that may be left of it."""

# Or else each look at an address would count all that was settled within the minute.
_APART = sa.text("""
    UPDATE actions SET client_ip = inet '10.0.0.0' + CAST(random() * 65535 AS int)
    WHERE id = ANY(CAST(:ids AS uuid[]))
""")


def planning(db: sa.Engine, turns: int) -> list[Row]:
    """Settle single actions and batches on a connection that prepares and on one that doesn't, in turns."""
    say("PostgreSQL's CPU for settling, prepared and not")
    vetting = Vetting(fraud.parse(tomllib.loads(HIGH_FRAUD)), default_award=10)
    boards = {DEFAULT_BOARD: BoardRule(id=DEFAULT_BOARD, title="All time")}
    made = database_of(db, "planning")
    add_standings(made, PLAYERS)
    url = made.url.render_as_string(hide_password=False)
    plain, hot = (engine.connect(url, engine.OPERATOR, pool_size=1, name="worker", prepares=it) for it in (False, True))
    took: dict[tuple[int, bool], list[float]] = {(n, prepares): [] for n in MUSTS for prepares in (False, True)}
    backends = {plain: _backend(plain), hot: _backend(hot)}
    for number in range(turns * ROUNDS + 10):
        for n in MUSTS:
            for prepares, where in ((False, plain), (True, hot)):
                ids = complete(made, PLAYERS, n)
                with made.begin() as conn:
                    conn.execute(_APART, {"ids": ids})
                before = _cpu(backends[where])
                settled = in_transaction(where, lambda conn, it=ids: settle(conn, boards, it, vetting))  # type: ignore[misc]
                time.sleep(0.001)  # its answer is sent before it is at rest
                after = _cpu(backends[where])
                assert settled.cleared == n, settled
                if number >= 10:  # the first ones prepare, and find everything cold
                    took[n, prepares].append((after - before) / n)
    for it in (made, plain, hot):
        it.dispose()
    rows = []
    for n, most in MUSTS.items():
        without, ours = (statistics.median(took[n, prepares]) for prepares in (False, True))
        say(f"    {n}: {without:.0f} to {ours:.0f} us")
        name = f"PostgreSQL's CPU to settle an action, {n} at once, us (reference: not prepared)"
        rows.append(
            Row(name, ours, without, (Must(f"≤ {most:g}", ours / without <= most),), f"median of {len(took[n, True])}")
        )
    return rows


def _backend(where: sa.Engine) -> int:
    """Return the process at the server of the engine's one connection."""
    with where.connect() as conn:
        return int(conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def _cpu(process: int) -> float:
    """Return the CPU time that a process has taken, in microseconds."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1000
