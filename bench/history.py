"""The rows about history: do the sweep and the minute's audit cost what there is to do, or what there ever was?"""

import os
import statistics
import time
from collections.abc import Callable

import sqlalchemy as sa

from app.board.audit import watch
from app.board.sweep import run_duties
from app.board.vetting import Vetting
from app.board.worker import Desk
from app.domain import fraud, scoring
from app.domain.board_rules import BoardRule
from app.domain.ids import DEFAULT_BOARD
from bench.population import players_id
from bench.row import Row, number, say, under
from bench.settling import database_of
from config import rules
from config.settings import HERE
from db import marks, redis
from db.engine import WORKER, connect
from db.redis import Publisher

PLAYERS = 300_000
"""So many that nobody has enough held actions to be suspended."""
CLEARED, OPEN, MODERATED = 3_500_000, 1_000_000, 500_000
ROUNDS = 15
"""Times that each is done in a turn."""

_ACTIONS = f"""
    INSERT INTO actions (id, user_id, type, status, start_at, end_at, score, settlement, settled_at, client_ip)
    SELECT (lpad(to_hex(n::int), 8, '0') || '-0000-7000-8000-000000000001')::uuid, {players_id("1 + n % :players")},
        :type, :status, at, CASE WHEN :status = 'completed' THEN at END, CASE WHEN :status = 'completed' THEN 10 END,
        :settlement, CASE WHEN :status = 'completed' THEN at END, '10.0.0.0'::inet + n % 100000
    FROM (
        SELECT n, clock_timestamp() - interval '29 days' + make_interval(secs => 2000000.0 * n / 5000000) AS at
        FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
    ) AS made
"""
_EVENTS = """
    INSERT INTO audit_events (kind, user_id, action_id, points, actor, details, at)
    SELECT 'held', user_id, id, score, 'system', '{"rule": "velocity"}', clock_timestamp() - interval '23 hours'
    FROM actions WHERE settlement = 'held'
"""
# What is not looked at here: the sums of users, which are made right.
_SUMS = [
    """
    UPDATE users SET total_score = earned.points
    FROM (SELECT user_id, sum(score) AS points FROM actions GROUP BY user_id) AS earned WHERE id = earned.user_id
    """,
    """
    INSERT INTO standings (board_id, user_id, score, reached_at)
    SELECT 'all-time', user_id, sum(score), max(end_at) FROM actions WHERE settlement = 'cleared' GROUP BY user_id
    """,
]


def history(db: sa.Engine, turns: int) -> list[Row]:
    """Sweep and audit, in turns, on an empty database and on one of five million actions."""
    say(f"sweep and audit with {CLEARED + OPEN + MODERATED:,} actions, {OPEN:,} open, {MODERATED:,} moderated")
    empty, full = database_of(db, "nothing"), database_of(db, "history")
    _fill(full)
    empty.dispose()
    full.dispose()
    scoring_rules = scoring.parse(rules.read(HERE / "scoring.toml"))
    vetting = Vetting(fraud.parse(rules.read(HERE / "fraud.toml")), default_award=10)
    server = os.environ["REDIS_URL"].rpartition("/")[0]
    # With the bounds that a worker has: what takes it too long must fail here as well.
    empty, full = (
        connect(made.url.render_as_string(hide_password=False), WORKER, pool_size=2, name="worker")
        for made in (empty, full)
    )
    desks = [
        Desk(
            engine,
            Publisher.on(redis.connect(f"{server}/{place}", timeout=1)),
            {DEFAULT_BOARD: BoardRule(id=DEFAULT_BOARD, title="All time")},
            scoring_rules,
            vetting,
        )
        for place, engine in ((14, empty), (15, full))
    ]
    found = [
        _row("a sweep", desks, run_duties, turns, 100),
        _row("a minute's audit", desks, watch, turns, 2000),
    ]
    for engine in (empty, full):
        engine.dispose()
    return found


def _row(what: str, desks: list[Desk], work: Callable[[Desk], object], turns: int, limit: float) -> Row:
    took: list[list[float]] = [[], []]
    for round_ in range(turns * ROUNDS + 3):
        for desk, times in zip(desks, took, strict=True):
            began = time.perf_counter()
            work(desk)
            if round_ >= 3:
                times.append(1000 * (time.perf_counter() - began))
    small, large = map(statistics.median, took)
    say(f"    {what}: {number(small)} and {number(large)} ms")
    name = f"{what} with 5,000,000 actions, 1,000,000 open, 500,000 moderated, ms (reference: with none)"
    return Row(
        name,
        large,
        small,
        (under(limit, large, "ms"),),
        f"longest {number(max(took[1]))} ms; median of {turns * ROUNDS}",
    )


def _fill(engine: sa.Engine) -> None:
    with engine.begin() as conn:
        conn.execute(
            sa.text(f"""
                INSERT INTO users (id, username, username_key, email, password_hash)
                SELECT {players_id("n")}, 'p' || n, 'p' || n, 'p' || n || '@example.org', 'none'
                FROM generate_series(1, :players) AS n
            """),
            {"players": PLAYERS},
        )
        first = 1
        for type_, status, settlement, count in (
            ("default", "completed", "cleared", CLEARED),
            ("default", "started", None, OPEN),
            ("default", "completed", "held", MODERATED),
        ):
            values = {"type": type_, "status": status, "settlement": settlement, "players": PLAYERS}
            conn.execute(sa.text(_ACTIONS), {**values, "first": first, "last": first + count - 1})
            first += count
        conn.execute(sa.text(_EVENTS))
        marks.advance(conn, marks.HELD)  # as a worker leaves it that has run all the time
        for statement in _SUMS:
            conn.execute(sa.text(statement))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")
