"""Reads what the processes of a run use of the CPU, out of /proc."""

import os
from collections import defaultdict
from pathlib import Path

import redis
import sqlalchemy as sa

from bench.cost import LOAD, Cost
from bench.stack import Stack

KINDS = {"worker": "worker", "beat": "beat and Flower", "flower": "beat and Flower", "bare": "bare"}
"""The kind of a stack's process by the first part of its name; what isn't named is a web process."""

# Without ours, which look every so often whether all is settled.
_BACKENDS = sa.text("""
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'scoreboard-bench'
""")


class Meter:
    """Reads what a stack's processes, its connections' servers in PostgreSQL, and its Redis have used so far."""

    def __init__(self, stack: Stack, db: sa.Engine) -> None:
        self._stack = stack
        self._db = db
        with redis.Redis.from_url(stack.env.get("REDIS_URL") or os.environ["REDIS_URL"]) as client:
            self._redis = int(client.info("server")["process_id"])

    def read(self) -> Cost:
        """Return the seconds by kind, of a process and all its children; nothing where there is no /proc."""
        parents, seconds = _processes()
        if not seconds:
            return {}
        with self._db.connect() as conn:
            backends = conn.execute(_BACKENDS).scalars().all()
        kinds = {process.pid: _kind(name) for name, process in self._stack.processes.items()}
        kinds |= {**dict.fromkeys(backends, "PostgreSQL"), self._redis: "Redis"}
        used: Cost = defaultdict(float)
        for pid, spent in seconds.items():
            ancestor = pid
            while ancestor and ancestor not in kinds:
                ancestor = parents.get(ancestor, 0)
            if ancestor:
                used[kinds[ancestor]] += spent
        return dict(used)

    def since(self, before: Cost, done: int, generator: float) -> Cost:
        """Return the microseconds for each of `done` units since then; the load generator took so many seconds."""
        now = self.read()
        if not now or not done:
            return {}
        spent = {kind: max(0.0, seconds - before.get(kind, 0.0)) for kind, seconds in now.items()}
        return {kind: 1e6 * seconds / done for kind, seconds in {**spent, LOAD: generator}.items()}


def _kind(name: str) -> str:
    return KINDS.get(name.partition("-")[0], "web")


def _processes() -> tuple[dict[int, int], dict[int, float]]:
    """Return each process's parent, and its seconds of CPU with those of its children that have ended."""
    parents, seconds = {}, {}
    tick = os.sysconf("SC_CLK_TCK")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, fields = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        parents[pid] = int(fields[1])
        seconds[pid] = sum(map(int, fields[11:15])) / tick
    return parents, seconds
