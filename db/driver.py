"""psycopg2 with fewer round trips: BEGIN, and statements that return nothing, are sent together with the next one.

How its connections wait is in db/waiting.py, how they send lists in db/arrays.py, how they prepare in db/prepared.py.
"""

import contextlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import psycopg2
import sqlalchemy as sa
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy.dialects.postgresql.psycopg2 import dialect as psycopg2_dialect

from db.prepared import Statement, name_of

READ_ONLY = "25006"
"""The SQLSTATE of a write to a server that takes none."""

_DIALECT: sa.Dialect = psycopg2_dialect()  # type: ignore[no-untyped-call]
_BEGIN, _QUEUED, _XID = "begin", "queued", "xid"
"""What a connection keeps in its `info` while a transaction runs: whether BEGIN is to be sent, the statements that wait
for the next one, and the transaction's id."""


def prepare(engine: sa.Engine) -> None:
    """Prepare an engine for db/transaction.py."""
    sa.event.listen(engine, "before_cursor_execute", _before_execution, retval=True)
    sa.event.listen(engine, "after_cursor_execute", _note_success)
    sa.event.listen(engine, "handle_error", _leave_read_only)


def _leave_read_only(context: sa.engine.ExceptionContext) -> None:
    """Discard all connections of the pool after one was refused a write: another server may take the writes by now."""
    if getattr(context.original_exception, "pgcode", None) == READ_ONLY:
        context.is_disconnect = True


@contextlib.contextmanager
def autocommit(conn: sa.Connection) -> Iterator[None]:
    """Stop the driver from sending a BEGIN of its own, which would take a round trip, and roll back what is left open.

    Not by SQLAlchemy's option: that asks the server at each return to the pool, and fails when it has gone.
    """
    connection: Any = conn.connection.dbapi_connection
    info = conn.info
    connection.autocommit = True
    try:
        yield
    finally:
        for name in (_BEGIN, _QUEUED, _XID):
            info.pop(name, None)
        if not connection.closed:
            try:
                if connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                    with connection.cursor() as cursor:
                        cursor.execute("ROLLBACK")
                connection.autocommit = False
            except psycopg2.Error:
                connection.close()


def begin_with_next(conn: sa.Connection) -> None:
    """Begin a transaction on a connection in autocommit: BEGIN is sent with the next statement."""
    conn.info[_BEGIN], conn.info[_QUEUED] = True, []


def send_with_next(conn: sa.Connection, statement: sa.TextClause, values: dict[str, Any]) -> None:
    """Queue a statement that returns nothing; it is sent in one round trip with the next one, or with COMMIT.

    The server runs the statements one after the other, each with its own snapshot. Outside of in_transaction it is sent
    at once. The names of functions that only queue their statement end in `_with_next`.
    """
    queued = conn.info.get(_QUEUED)
    if queued is None:
        conn.execute(statement, values)
    else:
        queued.append((statement, values))


def fetch(conn: sa.Connection, statement: sa.TextClause, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Execute a statement and return its rows, past SQLAlchemy's own execution: for what comes with every action.

    That one costs the caller more than all the rest of a round trip. What is raised is what SQLAlchemy would raise.
    """
    return _execute(conn, _statement(statement), values)


def commit(conn: sa.Connection) -> None:
    """Send what is queued, and COMMIT, in one round trip."""
    _execute(conn, _COMMIT, {})


_COMMIT = Statement("COMMIT", None)


def _execute(conn: sa.Connection, statement: Statement, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    session: Any = conn.connection.dbapi_connection
    if not (session.autocommit or conn.in_transaction()):
        conn.begin()
    cursor = None
    try:
        with session.cursor() as cursor:
            cursor.execute(*_assembled(conn, session, statement, values))
            found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
    except BaseException as error:
        # What SQLAlchemy does with an error: it wraps it, tells the engine's listeners, and discards lost connections.
        conn._handle_dbapi_exception(error, statement.text, None, cursor, None)
    if session.plans:
        session.plans.answered()
    return found


def _assembled(
    conn: sa.Connection, session: Any, statement: Statement, values: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    """Return a statement preceded by what waits for it: BEGIN, the session's bounds, and the queued statements."""
    before = ["BEGIN"] if conn.info.pop(_BEGIN, False) else []
    before += session.preamble()
    statements = []
    if queued := conn.info.get(_QUEUED):
        conn.info[_QUEUED] = []
        values = dict(values)
        for number, (text, its_values) in enumerate(queued):
            statements.append(_statement(text)._replace(suffix=f"_{number}"))
            values |= {f"{name}_{number}": value for name, value in its_values.items()}
    statements.append(statement)
    sent = session.plans.sent(statements) if session.plans else [it.plain for it in statements]
    return "; ".join(before + sent), values


def _before_execution(
    conn: sa.Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> tuple[str, Any]:
    """Send what waits along with a statement that SQLAlchemy executes itself."""
    return _assembled(conn, cursor.connection, Statement(statement, name_of(context.execution_options)), parameters)


def _note_success(conn: sa.Connection, cursor: Any, *_: Any) -> None:
    if plans := cursor.connection.plans:
        plans.answered()


@lru_cache(maxsize=1000)
def _statement(statement: sa.TextClause) -> Statement:
    """Return a statement in psycopg2's syntax."""
    return Statement(str(statement.compile(dialect=_DIALECT)), name_of(statement.get_execution_options()))


def note_transaction_id(conn: sa.Connection, xid: str) -> None:
    """Keep the transaction's id that a statement has returned, which saves a query before COMMIT."""
    conn.info[_XID] = xid


def transaction_id(conn: sa.Connection) -> str | None:
    """Return the running transaction's id; None when it has written nothing.

    An id that was not noted is queried, which also sends everything that is queued.
    """
    if noted := conn.info.get(_XID):
        return str(noted)
    xid: str | None = conn.exec_driver_sql("SELECT pg_current_xact_id_if_assigned()::text").scalar()
    return xid
