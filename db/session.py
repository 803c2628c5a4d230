"""Opens sessions at PostgreSQL: at which of several hosts, on which server, and with our time-outs in force.

The time-outs are parameters of the session's start, which costs nothing later on. A pooler such as PgBouncer refuses or
drops those; then they are sent with each transaction's first statement and end with it, as others share the session.
Where a pooler answers in the server's place, nothing is prepared.
"""

import logging
import re
import socket
import time
from typing import Any

import psycopg2
import sqlalchemy as sa
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from db import prepared, waiting
from db.prepared import Plans, Preparing

log = logging.getLogger("scoreboard.database")

LONGEST = 5.0
"""Seconds that opening a session may take, also in a process that waits long for statements."""

_REFUSED = re.compile("startup parameter|command-line options")
"""What PgBouncer and Amazon's proxy say of bounds at the start of a session."""

_ARRIVED = """
    SELECT extract(epoch FROM pg_postmaster_start_time())::text, pg_backend_pid(),
        current_setting('timezone') = %(timezone)s
        AND current_setting('lock_timeout')::interval = %(lock_timeout)s::interval
        AND current_setting('statement_timeout')::interval = %(statement_timeout)s::interval
        AND current_setting('idle_in_transaction_session_timeout')::interval
            = %(idle_in_transaction_session_timeout)s::interval
"""


class Session(waiting.Waiting):
    """A connection that knows its server, what to send so that our time-outs are in force, and what it has prepared.

    `server` is the moment at which the server began, to the microsecond: a promoted standby shares the identity and the
    transaction ids of the server whose place it takes, but not that.
    """

    server: str
    bounds: str = ""
    plans: Plans | None = None

    def preamble(self) -> list[str]:
        """Return what the next statement must be preceded by."""
        begins = self.bounds and self.get_transaction_status() == TRANSACTION_STATUS_IDLE
        return [self.bounds] if begins else []


class Opener:
    """Opens an engine's sessions, first at the address that answered last.

    Args:
        bounds: parameters of PostgreSQL's, durations with their unit.
        answer: seconds that every answer is waited for; opening takes as long, or `LONGEST`, for all addresses.
        preparing: given when the sessions are to prepare statements.
    """

    def __init__(self, bounds: dict[str, str], answer: float, preparing: Preparing | None = None) -> None:
        self._bounds = bounds
        self._answer = answer
        self._preparing = preparing
        self._last: dict[str, Any] = {}
        self._at_start = True

    def open(self, dialect: sa.Dialect, options: dict[str, Any]) -> Session:
        """Open a session with the driver's arguments.

        Raises:
            psycopg2.OperationalError: of the last address, when none takes us.
        """
        addresses = sorted(_addresses(options), key=lambda it: it != self._last)
        deadline = time.monotonic() + min(self._answer, LONGEST)
        for left in range(len(addresses), 0, -1):
            address = addresses[-left]
            seconds = max(0.0, deadline - time.monotonic()) / left
            try:
                with waiting.within(seconds):
                    made = self._open_at(dialect, {**options, **address})
            except psycopg2.OperationalError:
                if left == 1:
                    raise
            else:
                self._last = address
                return made
        raise AssertionError("there is always an address")

    def _open_at(self, dialect: sa.Dialect, options: dict[str, Any]) -> Session:
        if self._at_start:
            parameters = self._bounds | (prepared.SETTINGS if self._preparing else {})
            written = " ".join(f"-c {name}={value}" for name, value in parameters.items())
            try:
                given = options.get("options", "")
                return self._arrive(dialect, {**options, "options": f"{given} {written}".strip()})
            except psycopg2.OperationalError as error:
                if not _REFUSED.search(str(error)):
                    raise
                log.info("a pooler takes no parameters: bounds are sent with each transaction")
                self._at_start = False
        return self._arrive(dialect, options)

    def _arrive(self, dialect: sa.Dialect, options: dict[str, Any]) -> Session:
        session: Any = dialect.connect(**options, connection_factory=Session)
        session.answer_within = self._answer
        try:
            session.autocommit = True
            with session.cursor() as cursor:
                cursor.execute(_ARRIVED, self._bounds)
                session.server, backend, in_force = cursor.fetchone()
            session.autocommit = False
        except psycopg2.Error:
            session.close()
            raise
        if not in_force:
            session.bounds = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in self._bounds.items())
        if self._preparing:
            # A pooler makes up the number by which a session is known to its client.
            if in_force and backend == session.info.backend_pid:
                session.plans = Plans(self._preparing)
            else:
                self._preparing.stop()
        made: Session = session
        return made


class SharedSession(Exception):
    """A pooler lends this session to others between two transactions."""


def keep_bounds(engine: sa.Engine, conn: sa.Connection) -> None:
    """Put our bounds in force for all of a session where a pooler took none at its start.

    Raises:
        SharedSession: when others would get the session, and with it our bounds, locks and what else belongs to it.
    """
    session: Any = conn.connection.dbapi_connection
    if not session.bounds:
        return
    for _ in range(LOOKS):
        ours = _backend(conn)
        conn.rollback()
        with engine.connect() as other:
            if _backend(other) == ours:
                raise SharedSession
    with session.cursor() as cursor:
        cursor.execute(session.bounds.replace("SET LOCAL", "SET"))
    session.commit()
    session.bounds = ""


LOOKS = 5
"""How often another client may get the session before our second connection does."""


def _backend(conn: sa.Connection) -> int:
    return int(conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def open_by(engine: sa.Engine, opener: Opener) -> None:
    """Open the sessions of an engine by `opener`, in a thread when the event loop asks for one."""

    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: sa.Dialect, _: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return waiting.in_thread(lambda: opener.open(dialect, options))


def _addresses(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the addresses of all hosts, each as arguments of the driver: it would wait for the first one only."""
    if "hostaddr" in options or not options.get("host"):
        return [{}]
    hosts = str(options["host"]).split(",")
    ports = str(options.get("port", "")).split(",")
    found: list[dict[str, Any]] = []
    for number, host in enumerate(hosts):
        place = {"host": host, "port": ports[number if len(ports) > 1 else 0] or "5432"}
        found += [{**place, **address} for address in _numbers(host)]
    return found


def _numbers(host: str) -> list[dict[str, str]]:
    """Look a name up; what has no number, a socket's path or an unknown name, is the driver's business."""
    if host.startswith(("/", "@")):
        return [{}]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return [{}]
    return [{"hostaddr": str(it)} for it in dict.fromkeys(sockaddr[0] for *_, sockaddr in found)]
