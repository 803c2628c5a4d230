"""The rows about reports by a service key, beside the completion of actions that were started before."""

import os
import statistics
from collections.abc import Callable
from pathlib import Path

import msgspec
import sqlalchemy as sa

from app.access import issued_keys
from app.domain.ids import new_id
from bench.load import Caller, Plan
from bench.population import settled_within
from bench.row import Must, Row, at_least, number, say, under
from bench.rows import SETTLED, Bench, Pairs

CONNECTIONS = 64

SHARE = 0.9
"""The share of completions alone that has to be reached."""

_BACKENDS = sa.text("""
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'scoreboard-web'
""")


def reports(bench: Bench) -> list[Row]:
    """Report completed actions, without and with idempotency keys, beside completing some alone."""
    say(f"complete alone; report by key; the same with idempotency keys; {CONNECTIONS} connections")
    key = _make_key(bench.db)
    servers = [msgspec.structs.replace(caller, token=key) for caller in bench.callers]
    puts, plain, keyed = Pairs(), Pairs(), Pairs()
    runs: list[tuple[Pairs, Callable[[], float]]] = [
        (puts, lambda: bench.puts(CONNECTIONS, puts)),
        (plain, lambda: _report(bench, "reports", servers, plain)),
        (keyed, lambda: _report(bench, "reports-once", servers, keyed)),
    ]
    _report(bench, "reports", servers, Pairs())  # the key and the players are looked up on first sight
    names = {id(puts): "alone", id(plain): "by key", id(keyed): "with idempotency keys"}
    costs: dict[int, list[float]] = {id(into): [] for into, _ in runs}
    for turn in range(bench.turns):
        # Each comes first in its turn: what runs after the insert of what is to be completed finds other caches.
        for into, run in runs[turn % len(runs) :] + runs[: turn % len(runs)]:
            before, done = _cpu(bench), sum(result.done for result in bench.results)
            rate = run()
            done = sum(result.done for result in bench.results) - done
            costs[id(into)].append((_cpu(bench) - before) / done)
            say(f"    {names[id(into)]} {number(rate)}")
    alone = statistics.median(costs[id(puts)])

    def row(name: str, into: Pairs, *musts: Must) -> Row:
        cost = statistics.median(costs[id(into)])
        note = (
            f"reference: PUT alone in the same turns; CPU of web and its connections' servers {1e6 * cost:.0f} µs for "
            f"each action, {1e6 * alone:.0f} µs for a PUT; {into.note}"
        )
        settled = under(SETTLED, max(into.late), "s", "settled")
        return Row(f"{name}, {CONNECTIONS} connections", into.median, puts.median, (*musts, settled), note)

    share = at_least(SHARE, plain.median, puts.median)
    return [row("reports by key/s", plain, share), row("reports by key/s, each with an Idempotency-Key", keyed)]


def _report(bench: Bench, kind: str, servers: list[Caller], into: Pairs) -> float:
    """Report completed actions, and wait until all of them are settled."""
    result = bench.run(Plan(kind, bench.stack.port, CONNECTIONS, bench.seconds, servers, prefix=new_id()))
    return into.add(result, settled_within(bench.db, 120))


def _make_key(db: sa.Engine) -> str:
    with db.begin() as conn:
        _, key = issued_keys.make(
            conn, name=f"bench-{new_id()}", scopes=["actions"], expires_at=None, actor="shell", reason=None
        )
    return key


def _cpu(bench: Bench) -> float:
    """Return the seconds of CPU that the web process and its connections' servers have used."""
    with bench.db.connect() as conn:
        backends = {int(pid) for (pid,) in conn.execute(_BACKENDS)}
    web = bench.stack.processes["web"].pid
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, fields = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if pid in backends or int(fields[3]) == web:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
