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
from app.domain.ids import ActionId
from bench.row import Must, Row, say
from bench.stack import HIGH_FRAUD, players_id
from db import engine

ACTIONS = 100
SMALL, LARGE = 10_000, 1_000_000
ROUNDS = 60
"""Times that each is settled in a turn: one takes a few milliseconds, and the machine's mood is not to count."""


def settling(db: sa.Engine, turns: int, must: float) -> Row:
    """Settle a hundred actions of random players, in turns in a small and in a large database."""
    say(f"settling {ACTIONS} actions with {SMALL:,} and {LARGE:,} standings")
    vetting = Vetting(fraud.parse(tomllib.loads(HIGH_FRAUD)), default_award=10)
    small, large = _database(db, "small", SMALL), _database(db, "large", LARGE)
    took: dict[int, list[float]] = {SMALL: [], LARGE: []}
    for number in range(turns * ROUNDS + 10):
        for where, size in ((small, SMALL), (large, LARGE)):
            ids = _complete(where, size)
            began = time.perf_counter()
            with where.begin() as conn:
                settled = settle(conn, ids, vetting)
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


def _database(db: sa.Engine, name: str, players: int) -> sa.Engine:
    """Make a database beside the service's, in which every player has a standing."""
    url = db.url.set(database=name)
    with db.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text(f"DROP DATABASE IF EXISTS {name}"))
        conn.execute(sa.text(f"CREATE DATABASE {name}"))
    plain = url.render_as_string(hide_password=False)
    env = {**os.environ, "DATABASE_URL": plain}
    subprocess.run([sys.executable, "-m", "db.migrate"], env=env, check=True, capture_output=True)
    made = engine.connect(plain, engine.OPERATOR, pool_size=1, name="bench")
    add_standings(made, players)
    return made


def add_standings(db: sa.Engine, players: int) -> None:
    """Add players by number, each with a total, a standing and the adjustment that explains them."""
    with db.begin() as conn:
        conn.execute(
            sa.text(f"""
                INSERT INTO users (id, username, username_key, email, password_hash, total_score)
                SELECT {players_id("n")}, 'player-' || n, 'player-' || n, n || '@example.org', 'none', mod(n, 997) * 10
                FROM generate_series(1, :players) AS n
            """),
            {"players": players},
        )
        conn.execute(
            sa.text("""
                INSERT INTO standings (board_id, user_id, score, reached_at)
                SELECT 'all-time', id, total_score, now() FROM users WHERE total_score > 0
            """)
        )
    with db.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM ANALYZE"))
        conn.execute(sa.text("CHECKPOINT"))


def _complete(db: sa.Engine, players: int) -> list[ActionId]:
    """Complete actions of random players, as the web process leaves them."""
    with db.begin() as conn:
        found = conn.execute(
            sa.text(f"""
                WITH done AS (
                    INSERT INTO actions (id, user_id, type, status, start_at, end_at, score, settlement, client_ip)
                    SELECT uuidv7(), {players_id("(1 + floor(random() * :players))")}, 'default', 'completed',
                        now() - interval '1 second', now(), 10, 'pending', '10.0.0.1'
                    FROM generate_series(1, :actions) RETURNING id, user_id, score
                ), raised AS (
                    UPDATE users SET total_score = total_score + mine.score
                    FROM (SELECT user_id, sum(score) AS score FROM done GROUP BY user_id) AS mine
                    WHERE users.id = mine.user_id
                )
                SELECT id::text FROM done
            """),
            {"players": players, "actions": ACTIONS},
        )
        return [ActionId(id_) for id_ in found.scalars()]
