"""Runs work in a transaction, repeats it where that is safe, and says "unavailable" where it can't be done now."""

import asyncio
import contextlib
import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg2
import sqlalchemy as sa
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import exc
from sqlalchemy.dialects.postgresql.psycopg2 import dialect as psycopg2_dialect
from sqlalchemy.util import greenlet_spawn

from app.domain.errors import DatabaseUnavailable
from db.outcome import PATIENCE, committed, server_of
from db.waiting import pause

log = logging.getLogger(__name__)
T = TypeVar("T")

_REPEATABLE = {"40P01", "40001"}  # deadlock detected, serialization failure
_TIMED_OUT = {"55P03", "57014"}  # lock not available, query canceled by statement_timeout
_READ_ONLY = "25006"
_AWAY = re.compile(rf"08|53|57P|58|{_READ_ONLY}")
"""What the database, and not the work, fails with: connections, room, an operator's doing, files; and one that takes no
writes, as a server does whose place another has taken."""


class TimedOut(DatabaseUnavailable):
    """A lock or a statement took too long: the database lives, but somebody is in the way."""


class ReadOnly(DatabaseUnavailable):
    """The database takes no writes: it is a standby, or was made read-only."""


def in_transaction(engine: sa.Engine, work: Callable[[sa.Connection], T], *, patience: float = PATIENCE) -> T:
    """Run `work(connection)` in one transaction and commit it.

    After a deadlock, a serialization failure or a connection that was lost before COMMIT the work is begun again. When
    the connection is lost within COMMIT, the database is asked first whether it was committed.

    Raises:
        TimedOut: after a lock or statement timeout.
        DatabaseUnavailable: when the database is away, or all connections are in use.
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
"""Engines that were connected once."""


async def on_loop(engine: sa.Engine, work: Callable[..., T], *args: Any) -> T:
    """Run `work(engine, *args)`, which makes transactions, on the running event loop (see db/waiting.py).

    No more at once than the pool has connections for, or the loop itself would wait for one.

    Raises:
        DatabaseUnavailable: when the database was away from the beginning; or whatever work raises.
    """
    if engine not in _known:
        # Not here: SQLAlchemy gets to know the server over its first connection, and holds a lock the while. A second
        # greenlet that came to it would stop the loop for good.
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
            if code in _TIMED_OUT:
                raise TimedOut("The database is busy.") from error
            if not (code in _REPEATABLE or is_away(error)):
                raise
            # PostgreSQL takes a second to find a deadlock out: once more is owed to one who was not at fault.
            late = time.monotonic() > give_up and not (attempt == 1 and code in _REPEATABLE)
            if late or attempt >= 4:
                if is_read_only(error):
                    raise ReadOnly("The database takes no writes.") from error
                raise DatabaseUnavailable("The database can't be reached.") from error
            log.warning("transaction begun again: %s", str(error.orig).strip().partition("\n")[0])
        # One stale connection of the pool is no reason to wait; but the other side of a deadlock needs a moment to take
        # what was given up, or both meet again.
        if attempt > 1 or code in _REPEATABLE:
            pause(random.uniform(0.02, 0.1) * attempt)


def _once(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    began = time.monotonic()
    with engine.connect() as conn, _autocommit(conn):
        conn.info[_BEGIN], conn.info[_LATER] = True, []
        server = server_of(conn)
        result = work(conn)
        xid = conn.info.get(_XID) or _transaction_id(conn)
        try:
            conn.exec_driver_sql("COMMIT")
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
    with engine.connect() as conn, _autocommit(conn):
        return work(conn)


_DIALECT: sa.Dialect = psycopg2_dialect()  # type: ignore[no-untyped-call]
_BEGIN, _LATER, _XID = "begin", "later", "xid"


@contextlib.contextmanager
def _autocommit(conn: sa.Connection) -> Iterator[None]:
    """Stop the driver from sending BEGIN by itself: it goes along with a transaction's first statement.

    By hand: SQLAlchemy's option asks the server at each return to the pool, and fails when it has gone.
    """
    connection: Any = conn.connection.dbapi_connection
    info = conn.info
    connection.autocommit = True
    try:
        yield
    finally:
        for name in (_BEGIN, _LATER, _XID):
            info.pop(name, None)
        if not connection.closed:
            try:
                if connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                    with connection.cursor() as cursor:
                        cursor.execute("ROLLBACK")
                connection.autocommit = False
            except psycopg2.Error:
                connection.close()


def prepare(engine: sa.Engine) -> None:
    """Make an engine one that transactions can be run on."""
    sa.event.listen(engine, "before_cursor_execute", _with_what_waits, retval=True)
    sa.event.listen(engine, "handle_error", _leave_read_only)


def _leave_read_only(context: sa.engine.ExceptionContext) -> None:
    """Throw all connections of the pool away after one was refused a write: they may lead to another server by now."""
    if getattr(context.original_exception, "pgcode", None) == _READ_ONLY:
        context.is_disconnect = True


def _with_what_waits(
    conn: sa.Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> tuple[str, Any]:
    """Send BEGIN, bounds, and the statements that are to be sent with the next one, ahead of a statement."""
    before = ["BEGIN"] if conn.info.pop(_BEGIN, False) else []
    before += cursor.connection.preamble()
    if waiting := conn.info.get(_LATER):
        conn.info[_LATER] = []
        parameters = dict(parameters)
        for number, (text, values) in enumerate(waiting):
            before.append(_numbered(text, number))
            parameters |= {f"{name}_{number}": value for name, value in values.items()}
    return "; ".join([*before, statement]), parameters


@lru_cache(maxsize=1000)
def _numbered(statement: sa.TextClause, number: int) -> str:
    """Return a statement as psycopg2 takes it, its parameters' names with a number of their own."""
    text = str(statement.compile(dialect=_DIALECT))
    return re.sub(r"%\((\w+)\)s", rf"%(\1_{number})s", text)


def send_with_next(conn: sa.Connection, statement: sa.TextClause, values: dict[str, Any]) -> None:
    """Queue a statement that returns nothing; it is sent in one round trip with the next one, or with COMMIT.

    The server runs one after the other, each with a snapshot of its own. Outside of in_transaction it is sent at once.
    A function that only queues its statement says so by a name that ends in `_with_next`.
    """
    waiting = conn.info.get(_LATER)
    if waiting is None:
        conn.execute(statement, values)
    else:
        waiting.append((statement, values))


def note_transaction_id(conn: sa.Connection, xid: str) -> None:
    """Take down the transaction's id from a statement that told it, which saves asking before COMMIT."""
    conn.info[_XID] = xid


def _transaction_id(conn: sa.Connection) -> str | None:
    # None when nothing was written. What waits is sent first.
    xid: str | None = conn.exec_driver_sql("SELECT pg_current_xact_id_if_assigned()::text").scalar()
    return xid


def check_writable(engine: sa.Engine) -> None:
    """Ask whether the database serves, and takes writes.

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
"""What libpq says of a server that it was to find writable."""


def is_read_only(error: exc.DBAPIError) -> bool:
    """Whether an error means that the server takes no writes."""
    return pgcode(error) == _READ_ONLY or _SAID_READ_ONLY in str(error.orig)


def pgcode(error: exc.DBAPIError) -> str | None:
    """Return the SQLSTATE of an error, if the server sent one."""
    return getattr(error.orig, "pgcode", None)


def is_away(error: exc.DBAPIError) -> bool:
    """Return whether the error means that the database is unavailable, not that the statement is wrong."""
    code = pgcode(error)
    if error.connection_invalidated or _AWAY.match(code or ""):
        return True
    return code is None and isinstance(error, exc.OperationalError | exc.InterfaceError)
