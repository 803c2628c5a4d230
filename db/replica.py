"""Reads that a replica of PostgreSQL may answer: how old what they read may be, and when the primary is asked instead.

A process notes again and again up to where the primary has written its log. Before each read the replica says up to
where it has replayed it: what was written there at a moment of which the process knows is in what is read. So the bound
holds for each connection by itself, also when the address leads to several replicas, and compares no clocks; nothing is
behind where nothing is written. Source: docs/decisions, "Read from a replica what may be old".
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from db import engine as engines
from db.driver import autocommit, begin_with_next
from db.transaction import in_statement, in_transaction, is_away, pgcode
from db.waiting import pause
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.replica")
T = TypeVar("T")
Work = Callable[[sa.Connection], T]
Word = Literal["ok", "behind", "down"]

LOOK_EVERY = 0.25
"""Seconds between two looks of a process at primary and replica."""

CATCH_UP = 0.05
"""Seconds for which a read that needs the present waits for the replica."""

SKEW = 0.5
"""Seconds by which the replica's clock, which decides on present periods there, may be off the primary's."""

CANCELLED = ("40001", "57014")
"""SQLSTATEs of what a replica has cancelled, of the first of them sometimes with the connection."""

_KEPT = 2400
"""Looks whose outcome is kept, to tell how far a replica is behind."""

_BYTES = "CAST(pg_wal_lsn_diff({}, '0/0') AS bigint)"
_WRITTEN = sa.text(f"""
    SELECT {_BYTES.format("pg_current_wal_flush_lsn()")}, clock_timestamp(),
        (SELECT system_identifier FROM pg_control_system())
""")
_STATE = sa.text(f"""
    SELECT pg_is_in_recovery(), {_BYTES.format("pg_last_wal_replay_lsn()")}, pg_last_xact_replay_timestamp(),
        clock_timestamp(), (SELECT system_identifier FROM pg_control_system())
""")
_REPLAYED = sa.text(f"SELECT CASE WHEN pg_is_in_recovery() THEN {_BYTES.format('pg_last_wal_replay_lsn()')} END")


class Written(NamedTuple):
    """Up to where the primary's log is written, in bytes; all that was committed by `asked` (monotonic) is before."""

    asked: float
    log: int


class Replica:
    """A replica and its primary; without an engine for the replica every read goes to the primary.

    Args:
        max_lag: seconds by which what is read may be older than the moment at which it is read.
    """

    def __init__(self, primary: sa.Engine, engine: sa.Engine | None = None, max_lag: float = 0) -> None:
        self.primary = primary
        self.engine = engine
        self._lag = math.inf
        self._max_lag = max_lag
        self.reason: str | None = "starting"
        """Why reads go to the primary; None while they don't have to."""
        self._looks: deque[Written] = deque(maxlen=_KEPT)
        self._recent: tuple[Written, ...] = ()

    @property
    def lag(self) -> float:
        """Seconds by which the replica is behind, at most; infinity while it isn't used as it is away or no replica."""
        unseen = time.monotonic() - self._recent[-1].asked if self._recent else math.inf
        return self._lag + (0 if unseen < 4 * LOOK_EVERY else unseen)

    @property
    def word(self) -> Word:
        """Whether reads are answered by the replica now."""
        if self.reason is None:
            return "ok" if self._bound() is not None else "behind"
        return "behind" if self.reason == "behind" else "down"

    def read(
        self, work: Work[T], otherwise: Callable[[sa.Engine, Work[T]], T] = in_transaction, *, newest: bool = False
    ) -> T:
        """Run `work(connection)`, which only reads, in one transaction on the replica, or else on the primary.

        Args:
            otherwise: how it is run on the primary.
            newest: it must find everything that was committed before this call.

        Raises:
            whatever work raises, or `otherwise`. An error of the replica's is none to the caller.
        """
        if self.engine is None:
            return otherwise(self.primary, work)
        outcome = "behind"
        try:
            least = self._bound()
            if newest and least is not None:
                least = written(self.primary).log if self.lag <= CATCH_UP else None
            if least is not None:
                with self.engine.connect() as conn, autocommit(conn):
                    if _has(conn, least, CATCH_UP if newest else 0):
                        begin_with_next(conn)
                        found = work(conn)
                        conn.exec_driver_sql("COMMIT")
                        metrics.replica_reads.labels("replica").inc()
                        return found
            elif self.word == "down":
                outcome = "down"
        except exc.TimeoutError:
            outcome = "down"
        except exc.DBAPIError as error:
            # Also a statement that replaying the log has cancelled: what it reads was cleaned up on the primary.
            outcome = "down" if is_away(error) and pgcode(error) not in CANCELLED else "cancelled"
            if outcome == "down":
                self._turn("down")
        metrics.replica_reads.labels(outcome).inc()
        return otherwise(self.primary, work)

    def look(self) -> None:
        """Note where the primary's log is, and see whether the replica follows it.

        Raises:
            DatabaseUnavailable: when the primary can't be asked; what the replica has is old before long.
        """
        assert self.engine is not None
        asked = time.monotonic()
        at, clock, cluster = in_statement(self.primary, lambda conn: conn.execute(_WRITTEN).one())
        answered = time.monotonic()
        try:
            with self.engine.connect() as conn, autocommit(conn):
                standby, replayed, last_commit, theirs, their_cluster = conn.execute(_STATE).one()
        except (exc.DBAPIError, exc.TimeoutError):
            self._note(Written(asked, at), math.inf, "down")
            return
        took = time.monotonic() - answered
        ahead = (theirs - clock).total_seconds()  # and by up to `took` and what the primary's answer took less
        reason = None
        if cluster != their_cluster:
            reason = "another-database"
        elif not standby:
            reason = "not-a-replica"
        elif replayed > at and replayed > written(self.primary).log:
            reason = "another-database"
        elif ahead < -SKEW or ahead - took - (answered - asked) > SKEW:
            reason = "clock"
        lag = self._behind(replayed, at, last_commit, clock) if reason is None else math.inf
        self._note(Written(asked, at), lag, reason or ("behind" if lag > self._max_lag else None))

    def _note(self, look: Written, lag: float, reason: str | None) -> None:
        self._looks.append(look)
        self._recent = (*(it for it in self._recent if it.asked >= look.asked - self._max_lag), look)
        self._lag = lag
        self._turn(reason)

    def _behind(self, replayed: int, at: int, last_commit: datetime | None, now: datetime) -> float:
        """Return by how many seconds the replica is behind: the less of two bounds, each by one clock alone."""
        if replayed >= at:
            return 0.0
        passed = next((it.asked for it in reversed(self._looks) if it.log <= replayed), None)
        by_looks = math.inf if passed is None else time.monotonic() - passed
        by_commit = math.inf if last_commit is None else (now - last_commit).total_seconds()
        return max(0.0, min(by_looks, by_commit))

    def _bound(self) -> int | None:
        """Return up to where a replica must have replayed that isn't too far behind; None while there is none."""
        if self.reason is not None:
            return None
        oldest = time.monotonic() - self._max_lag
        return next((it.log for it in self._recent if it.asked >= oldest), None)

    def _turn(self, reason: str | None) -> None:
        if reason == self.reason:
            return
        lag = round(self._lag, 1) if math.isfinite(self._lag) else None
        if reason is None:
            logs.event(log, logs.REPLICA_USED, lag=lag)
        else:
            logs.event(log, logs.REPLICA_UNUSED, logging.WARNING, reason=reason, lag=lag)
        self.reason = reason


def connect(url: str, bounds: engines.Bounds, *, pool_size: int, name: str) -> sa.Engine:
    """Make an engine like db/engine.py does, content with a server that takes no writes."""
    address = sa.make_url(url)
    if "target_session_attrs" not in address.query:
        address = address.update_query_dict({"target_session_attrs": "any"})
    return engines.connect(address.render_as_string(hide_password=False), bounds, pool_size=pool_size, name=name)


def written(primary: sa.Engine) -> Written:
    """Ask the primary up to where its log is written."""
    asked = time.monotonic()
    at = in_statement(primary, lambda conn: int(conn.execute(_WRITTEN).one()[0]))
    return Written(asked, at)


def refusal(primary: sa.Engine, engine: sa.Engine, *, within: float) -> str | None:
    """Return why a replica can't be read from; None when within some seconds it has all that is committed by now."""
    looking = Replica(primary, engine, within)
    looking.look()
    if looking.reason in (None, "behind"):
        least = written(primary).log
        try:
            with engine.connect() as conn, autocommit(conn):
                return None if _has(conn, least, within) else f"the replica is more than {within:g} s behind"
        except exc.DBAPIError:
            return _WHY["down"]
    return _WHY[looking.reason]


_WHY = {
    "down": "the replica is away",
    "not-a-replica": "DATABASE_REPLICA_URL leads to a server that is no replica",
    "another-database": "DATABASE_REPLICA_URL leads to a replica of another database",
    "clock": f"the replica's clock is more than {SKEW:g} s off",
}


def _has(conn: sa.Connection, least: int, within: float) -> bool:
    deadline = time.monotonic() + within
    while True:
        replayed = conn.execute(_REPLAYED).scalar_one()
        if replayed is None or replayed >= least:
            return replayed is not None
        if time.monotonic() >= deadline:
            return False
        pause(0.005)
