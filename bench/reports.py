"""The rows about reports by a service key, beside the completion of actions that were started before."""

from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from app.access import issued_keys
from app.domain.ids import new_id
from bench.load import Caller, Plan
from bench.row import Must, Row, at_least, number, say, under
from bench.rows import SETTLED, Bench, Pairs

CONNECTIONS = 64

SHARE = 0.9
"""The share of completions alone that has to be reached."""


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
    for turn in range(bench.turns):
        # Each comes first in its turn: what runs after the insert of what is to be completed finds other caches.
        for into, run in runs[turn % len(runs) :] + runs[: turn % len(runs)]:
            say(f"    {names[id(into)]} {number(run())}")

    def row(name: str, into: Pairs, *musts: Must) -> Row:
        note = f"reference: PUT alone in the same turns, whose CPU stands in brackets; {into.note}"
        settled = under(SETTLED, max(into.late), "s", "settled")
        return Row(
            f"{name}, {CONNECTIONS} connections",
            into.median,
            puts.median,
            (*musts, settled),
            note,
            into.cost,
            puts.cost,
        )

    share = at_least(SHARE, plain.median, puts.median)
    return [row("reports by key/s", plain, share), row("reports by key/s, each with an Idempotency-Key", keyed)]


def _report(bench: Bench, kind: str, servers: list[Caller], into: Pairs) -> float:
    """Report completed actions, and wait until all of them are settled."""
    return bench.play(Plan(kind, bench.stack.port, CONNECTIONS, bench.seconds, servers, prefix=new_id()), into)


def _make_key(db: sa.Engine) -> str:
    with db.begin() as conn:
        _, key = issued_keys.make(
            conn, name=f"bench-{new_id()}", scopes=["actions"], expires_at=None, actor="shell", reason=None
        )
    return key
