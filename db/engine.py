"""Connections to PostgreSQL on which every wait has a bound."""

from dataclasses import dataclass

import sqlalchemy as sa

from db import arrays, driver, session, waiting
from db.prepared import Preparing


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a process waits for PostgreSQL, in seconds.

    `lock` and `statement` are kept by the server; `answer`, a little longer, by ourselves, since a server that was
    stopped never times out by itself; `checkout` is the wait for a free connection of the pool.
    """

    lock: float
    statement: float
    answer: float
    checkout: float
    idle_in_transaction: float


WEB = Bounds(lock=0.8, statement=1.5, answer=2.0, checkout=1.0, idle_in_transaction=5)
# Twice `answer` is less than the life of a task: a COMMIT that hangs, and asking what became of it.
WORKER = Bounds(lock=1.5, statement=2, answer=2.2, checkout=1, idle_in_transaction=10)
# An index on a table of a hundred million rows may take hours.
RELEASE = Bounds(lock=5, statement=6 * 3600, answer=6 * 3600 + 10, checkout=5, idle_in_transaction=60)
OPERATOR = Bounds(lock=5, statement=600, answer=610, checkout=5, idle_in_transaction=60)


def connect(database_url: str, bounds: Bounds, *, pool_size: int, name: str, prepares: bool = False) -> sa.Engine:
    """Make an engine; no connection is opened yet.

    Args:
        pool_size: connections at most.
        name: what PostgreSQL shows as application_name.
        prepares: whether its connections prepare the statements that are marked for it, see db/prepared.py.
    """
    url = sa.make_url(database_url)
    waiting.take_over()
    arrays.send_as_literals()
    timeouts = {
        "lock_timeout": bounds.lock,
        "statement_timeout": bounds.statement,
        "idle_in_transaction_session_timeout": bounds.idle_in_transaction,
    }
    in_force = {"timezone": "UTC", **{name: f"{seconds * 1000:.0f}ms" for name, seconds in timeouts.items()}}
    # Said in the address, it counts: an export may be read from a replica.
    writable = {} if "target_session_attrs" in url.query else {"target_session_attrs": "read-write"}
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=bounds.checkout,
        # The newest connection first: an idle service keeps one warm instead of all lukewarm.
        pool_use_lifo=True,
        # Detecting hstore costs a query, under a lock, for each connection.
        use_native_hstore=False,
        # An error's text may end up in a log, and parameters hold e-mail addresses and password hashes.
        hide_parameters=True,
        connect_args={
            **writable,
            "application_name": f"scoreboard-{name}",
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
        },
    )
    driver.prepare(engine)
    preparing = Preparing() if prepares else None
    if preparing:
        sa.event.listen(engine, "handle_error", preparing.note)
    session.open_by(engine, session.Opener(in_force, bounds.answer, preparing))
    return engine
