"""Makes the partitions of `actions` ahead of their months."""

import logging

import sqlalchemy as sa

from app.domain.errors import DatabaseUnavailable
from db import partitions
from db.transaction import in_statement, in_transaction

log = logging.getLogger("scoreboard.audit")


def make_months(engine: sa.Engine, *, months: int) -> None:
    """Make the partitions that are missing, of so many months each, and warn of what is in none.

    Whatever prevents it is tried again a minute later. Nothing depends on it until the present month is over, and not
    even then: what has no month goes to a partition of its own, and from there to its month once that is made.
    """
    try:
        for table in in_transaction(engine, lambda conn: partitions.make_missing(conn, months=months)):
            log.info("made the partition %s", table)
        if count := in_statement(engine, partitions.in_other):
            log.warning("%s actions belong to no month that is there: is a host's clock wrong?", count)
    except DatabaseUnavailable as error:
        log.warning("the months of actions can't be looked after: %s", error)
    except sa.exc.DBAPIError:
        log.exception("a month of actions could not be made")
