"""Finds out whether a transaction was committed when the answer to its COMMIT was lost."""

import logging
import random
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from app.domain.errors import DatabaseUnavailable
from db.waiting import pause

log = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds after which nothing is tried again, since the caller has a deadline too."""

# A crash discards the statistics, so that their age tells of it; a restart in order keeps them. Through a pooler the
# same connection may have come to another server, so that the one which answers says which it is.
_OUTCOME = sa.text("""
    SELECT pg_xact_status(CAST(:xid AS xid8)), extract(epoch FROM pg_postmaster_start_time())::text,
        (SELECT stats_reset FROM pg_stat_wal) > clock_timestamp() - make_interval(secs => :age)
""")


class OutcomeUnknown(DatabaseUnavailable):
    """The connection was lost within COMMIT and the database can't be asked what became of it."""


def server_of(conn: sa.Connection) -> str:
    """Return which server a connection was opened to; see db/session.py."""
    connection: Any = conn.connection.dbapi_connection
    return str(connection.server)


def committed(engine: sa.Engine, xid: str, *, server: str, began: float, patience: float = PATIENCE) -> bool:
    """Return whether a transaction was committed whose COMMIT got no answer, as the database says.

    Args:
        server: the one that it was sent to, see server_of.
        began: the moment of time.monotonic() at which the transaction began, or one before.

    Raises:
        OutcomeUnknown: when it doesn't say within `patience` seconds, has crashed since, or is another server.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            with engine.connect() as conn:
                values = {"xid": xid, "age": time.monotonic() - began}
                status, answering, crashed = conn.execute(_OUTCOME, values).one()
            if answering != server:
                # A standby that missed the commit gives the transaction's id to another.
                raise OutcomeUnknown("The database is another server since the commit; ask again what became of it.")
            if status == "committed" and crashed:
                # A crash forgets the transactions that it swallowed, and gives their ids to others: this may be one.
                raise OutcomeUnknown("The database crashed during the commit; ask again what became of it.")
            if status in ("committed", "aborted"):
                return bool(status == "committed")
        except (exc.DBAPIError, exc.TimeoutError) as error:
            log.warning("asking for the outcome of a lost commit failed: %s", type(error).__name__)
        if time.monotonic() > give_up:
            raise OutcomeUnknown("The database was lost during the commit; ask again what became of it.")
        pause(random.uniform(0.02, 0.1))
