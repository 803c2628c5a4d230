"""Compares this host's clock with PostgreSQL's, which is the only one that decides anything.

No state depends on the hosts' clocks. But tokens are issued and expire by them, and log lines carry their time.
"""

import logging
import time
from datetime import datetime

import sqlalchemy as sa

from db.transaction import in_statement
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.clock")

OFF = 1.0
"""Seconds by which a clock may be off before a warning is logged."""

CHECK_EVERY = 60.0
"""Seconds between two checks of a process."""

_NOW = sa.text("SELECT extract(epoch FROM clock_timestamp())")
_MOMENT = sa.text("SELECT clock_timestamp()")


def now(conn: sa.Connection) -> datetime:
    """Return the present moment by PostgreSQL's clock."""
    moment: datetime = conn.execute(_MOMENT).scalar_one()
    return moment


def check(engine: sa.Engine) -> float:
    """Warn when this host's clock is off by over a second, and return by how many seconds it is ahead.

    The database read its clock at some moment between sending and receiving; that uncertainty is not counted.

    Raises:
        TimedOut, DatabaseUnavailable: like in_statement.
    """
    before = time.time()
    theirs = in_statement(engine, lambda conn: float(conn.execute(_NOW).scalar_one()))
    after = time.time()
    ahead = before - theirs if before > theirs else min(0.0, after - theirs)
    metrics.clock_offset.set(abs(ahead))
    if abs(ahead) > OFF:
        logs.event(log, logs.CLOCK_OFF, logging.WARNING, ahead=round(ahead, 1))
    return ahead
