"""The rows about ranks: how long one takes at a million players while others settle, and what counting them costs."""

import json
import statistics
import tomllib
from pathlib import Path
from random import Random

import redis
import sqlalchemy as sa

from app.access import issued_keys
from app.board.settle import settle
from app.board.vetting import Vetting
from app.domain import fraud
from app.domain.board_rules import BoardRule
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId, new_id
from bench.load import percentile
from bench.paced import PacedPlan
from bench.population import add_standings, callers_among, complete, empty, settled_within
from bench.row import CORES, Must, Row, say, under
from bench.settling import ACTIONS, ROUNDS, database_of
from bench.stack import HIGH_FRAUD, Stack, paced, stack
from config import settings
from db import ranks as reading
from db.transaction import in_statement

PLAYERS = 1_000_000
RATE = 500
SLOWEST = 5.0
"""Milliseconds, the 99th percentile of a rank."""

DEARER = 1.15
"""What settling may cost with ranks, as a multiple of what it costs without."""

ASKED = 300


def ranks_of_a_million(db: sa.Engine, turns: int, seconds: int) -> list[Row]:
    """Ask for ranks of random players while others settle, in peace and right after Redis has lost everything."""
    say(f"ranks among {PLAYERS:,} players")
    empty(db)
    add_standings(db, PLAYERS)
    alone = _cost_of_one(db)
    taken: dict[bool, list[float]] = {False: [], True: []}
    shares: list[float] = []
    with stack() as running:
        key = _key(db)
        _ask(running, key, 2, seed=0)
        for turn in range(turns):
            for flushed in (False, True):
                if flushed:
                    redis.Redis.from_url(settings.load_or_exit().redis_url).flushall()
                latencies, share = _ask(running, key, max(5, seconds), seed=2 * turn + flushed)
                taken[flushed].append(1000 * percentile(latencies, 0.99))
                shares.append(share)
                say(f"    {'after FLUSHALL' if flushed else 'in peace'} {taken[flushed][-1]:.1f} ms")
                settled_within(db, 60)
    quiet, lost = (statistics.median(taken[flushed]) for flushed in (False, True))
    note = (
        f"{RATE} ranks and {RATE} reports a second, from when each was due; the database's CPU for one alone "
        f"{1000 * alone:.0f} µs; load generator {max(shares):.0%} of the CPU"
    )
    name = f"a rank among {PLAYERS:,} beside {RATE} settled/s, p99 ms"
    return [
        Row(name, quiet, None, (under(SLOWEST, quiet, "ms"),), note),
        Row(f"{name}, right after FLUSHALL", lost, None, (under(SLOWEST, lost, "ms"),), ""),
        _cost_of_counting(db, turns),
    ]


def _ask(running: Stack, key: str, seconds: float, seed: int) -> tuple[list[float], float]:
    """Return the latencies of ranks, in seconds, and the load generator's share of the CPU."""
    random = Random(seed)
    users = [f"{random.randint(1, PLAYERS):08x}-0000-7000-8000-000000000000" for _ in range(5000)]
    gets = [f"GET /boards/{DEFAULT_BOARD}/ranks/{it} HTTP/1.1\r\nHost: bench\r\n\r\n" for it in users]
    body = json.dumps({"status": "completed"})
    posts = [
        f"POST /users/{it.user_id}/actions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        for it in callers_among(PLAYERS, 5000)
    ]
    plan = PacedPlan(running.port, seconds, {"rank": RATE, "report": RATE}, {"rank": gets, "report": posts})
    result = paced(plan)
    assert result.others == 0, f"{result.others} requests were refused"
    return result.latencies["rank"], result.cpu_seconds / seconds / CORES


def _key(db: sa.Engine) -> str:
    with db.begin() as conn:
        _, key = issued_keys.make(
            conn, name=f"bench-{new_id()}", scopes=["actions"], expires_at=None, actor="shell", reason=None
        )
    return key


def _cost_of_one(db: sa.Engine) -> float:
    """Return the milliseconds of CPU that the database takes for one rank, asked for alone."""
    random = Random(1)

    def measure(conn: sa.Connection) -> float:
        pid = int(conn.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())
        for number in range(ASKED + 50):
            if number == 50:
                began = _cpu(pid)
            user_id = UserId(f"{random.randint(1, PLAYERS):08x}-0000-7000-8000-000000000000")
            reading.of(conn, [(DEFAULT_BOARD, [user_id])])
        return (_cpu(pid) - began) / ASKED

    return in_statement(db, measure)


def _cpu(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def _cost_of_counting(db: sa.Engine, turns: int) -> Row:
    """Settle a hundred actions of random players with ranks and without, in turns, by the database's CPU."""
    say(f"settling {ACTIONS} actions, ranks counted or not")
    vetting = Vetting(fraud.parse(tomllib.loads(HIGH_FRAUD)), default_award=10)
    rules = {BoardId(DEFAULT_BOARD): BoardRule(id=DEFAULT_BOARD, title="All time")}
    counted = database_of(db, "counted")
    add_standings(counted, PLAYERS)
    plain = database_of(db, "plain", like=counted)
    took: dict[sa.Engine, list[float]] = {counted: [], plain: []}
    with plain.begin() as conn:
        conn.execute(sa.text("ALTER TABLE standings DISABLE TRIGGER USER"))
    for number in range(turns * ROUNDS + 10):
        for made in took:
            ids = complete(made, PLAYERS, ACTIONS)
            with made.connect() as conn:
                pid = int(conn.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())
                before = _cpu(pid)
                settle(conn, rules, ids, vetting)
                conn.commit()
                if number >= 10:
                    took[made].append(_cpu(pid) - before)
    for made in took:
        made.dispose()
    with_ranks, without = (statistics.median(took[it]) for it in (counted, plain))
    name = f"settling {ACTIONS} actions with {PLAYERS:,} standings, ms of the database's CPU (reference: no ranks)"
    must = Must(f"< {DEARER:g}", with_ranks / without < DEARER)
    return Row(name, with_ranks, without, (must,), f"median of {turns * ROUNDS}")
