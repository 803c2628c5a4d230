"""Transactions: which are repeated after a failure, and when the database counts as unavailable."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.util import greenlet_spawn

from app.domain.errors import DatabaseUnavailable, ScoreOutOfRange
from db.driver import READ_ONLY, autocommit, begin_with_next, commit, transaction_id
from db.outcome import PATIENCE, committed, server_of
from db.prepared import is_stale
from db.waiting import pause

log = logging.getLogger(__name__)
T = TypeVar("T")

_REPEATABLE = {"40P01", "40001"}  # deadlock detected, serialization failure
LOCK_NOT_AVAILABLE = "55P03"
_QUERY_CANCELED = "57014"  # by statement_timeout
_OUT_OF_RANGE = "22003"  # of a sum of scores that not even a bigint holds
_CHECK_VIOLATION = "23514"
_SCORE_CHECK = "standings_score_check"
_AWAY = re.compile(rf"08|53|57P|58|{READ_ONLY}")
"""The SQLSTATEs that are no fault of the statement: connections, resources, operator intervention, I/O; and a server
that takes no writes, since another has taken its place."""


class TimedOut(DatabaseUnavailable):
    """A lock or a statement took too long, but the database answers."""


class LockTimedOut(TimedOut):
    """Another transaction held a lock for too long; the statement itself was not slow."""


class ReadOnly(DatabaseUnavailable):
    """The database takes no writes: it is a standby, or was made read-only."""


def in_transaction(engine: sa.Engine, work: Callable[[sa.Connection], T], *, patience: float = PATIENCE) -> T:
    """Run `work(connection)` in one transaction and commit it.

    After a deadlock, a serialization failure, a prepared statement that is no good any more or a connection that was
    lost before COMMIT the work is begun again. When the connection is lost within COMMIT, the database is asked first
    whether it was committed.

    Raises:
        TimedOut: after a lock or statement timeout.
        DatabaseUnavailable: when the database is away, or all connections are in use.
        ScoreOutOfRange: when a score on a board would leave its range.
    """
    return _repeating(lambda: _once(engine, work), patience)


def in_statement(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    """Run `work(connection)`, whose one statement is a transaction by itself and may safely run twice.

    That is one round trip instead of four; and a statement that was lost in its commit is simply run again.

    Raises:
        TimedOut, DatabaseUnavailable: like in_transaction.
    """
    return _repeating(lambda: _once_in_statement(engine, work), PATIENCE)


_known: "WeakSet[sa.Engine]" = WeakSet()
"""Engines that have connected once."""


async def on_loop(engine: sa.Engine, work: Callable[..., T], *args: Any) -> T:
    """Run `work(engine, *args)`, which makes transactions, on the running event loop (see db/waiting.py).

    No more may run at once than the pool has connections, or the loop itself would wait for one.

    Raises:
        DatabaseUnavailable: when the database was away from the beginning; or whatever work raises.
    """
    if engine not in _known:
        # Not on the loop: SQLAlchemy examines the server over its first connection, under a lock. A second greenlet
        # that waits for this lock would block the loop for good.
        await asyncio.to_thread(in_statement, engine, lambda conn: None)
        _known.add(engine)
    return await greenlet_spawn(work, engine, *args)


def _repeating(once: Callable[[], T], patience: float) -> T:
    give_up = time.monotonic() + patience
    attempt = 0
    while True:
        attempt += 1
        try:
            return once()
        except exc.TimeoutError:
            raise DatabaseUnavailable("All database connections are in use.") from None
        except exc.DBAPIError as error:
            code = pgcode(error)
            if code == LOCK_NOT_AVAILABLE:
                raise LockTimedOut("The database is busy.") from error
            if code == _QUERY_CANCELED:
                raise TimedOut("The database is busy.") from error
            if code == _OUT_OF_RANGE or (code == _CHECK_VIOLATION and _SCORE_CHECK in str(error.orig)):
                raise ScoreOutOfRange from error
            stale = is_stale(error)
            if not (code in _REPEATABLE or stale or is_away(error)):
                raise
            # PostgreSQL takes a second to detect a deadlock; the time may be up, but its victim gets a second attempt.
            late = time.monotonic() > give_up and not (attempt == 1 and (stale or code in _REPEATABLE))
            if late or attempt >= 4:
                if is_read_only(error):
                    raise ReadOnly("The database takes no writes.") from error
                raise DatabaseUnavailable("The database can't be reached.") from error
            log.warning("transaction begun again: %s", str(error.orig).strip().partition("\n")[0])
        # One stale connection of the pool is no reason to wait. But the other side of a deadlock needs a moment to take
        # the locks that were released, or both deadlock again.
        if attempt > 1 or code in _REPEATABLE:
            pause(random.uniform(0.02, 0.1) * attempt)


def _once(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    began = time.monotonic()
    with engine.connect() as conn, autocommit(conn):
        begin_with_next(conn)
        server = server_of(conn)
        result = work(conn)
        xid = transaction_id(conn)
        try:
            commit(conn)
        except exc.DBAPIError as error:
            if xid is None or not is_away(error):
                raise
        else:
            return result
    if committed(engine, xid, server=server, began=began):
        return result
    raise exc.OperationalError(
        "COMMIT", None, Exception("the transaction was rolled back"), connection_invalidated=True
    )


def _once_in_statement(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    with engine.connect() as conn, autocommit(conn):
        return work(conn)


def check_writable(engine: sa.Engine) -> None:
    """Check that the database answers and takes writes.

    Raises:
        ReadOnly, DatabaseUnavailable: when it doesn't.
    """

    def look(conn: sa.Connection) -> None:
        if conn.execute(_IS_READ_ONLY).scalar_one():
            conn.invalidate()
            raise exc.OperationalError("SELECT", None, Exception(_SAID_READ_ONLY), connection_invalidated=True)

    in_statement(engine, look)


_IS_READ_ONLY = sa.text("SELECT current_setting('transaction_read_only')::bool")
_SAID_READ_ONLY = "session is read-only"
"""What libpq reports when no server of its list takes writes."""


def is_read_only(error: exc.DBAPIError) -> bool:
    """Whether an error means that the server takes no writes."""
    return pgcode(error) == READ_ONLY or _SAID_READ_ONLY in str(error.orig)


def pgcode(error: exc.DBAPIError) -> str | None:
    """Return the SQLSTATE of an error, if the server sent one."""
    return getattr(error.orig, "pgcode", None)


def is_away(error: exc.DBAPIError) -> bool:
    """Return whether the error means that the database is unavailable, not that the statement is wrong."""
    code = pgcode(error)
    if error.connection_invalidated or _AWAY.match(code or ""):
        return True
    return code is None and isinstance(error, exc.OperationalError | exc.InterfaceError)
