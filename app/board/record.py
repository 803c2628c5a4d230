"""Thins the record of how boards stood: a duty of the sweep, some grains at a time."""

import time
from functools import partial

import sqlalchemy as sa

from db import record
from db.transaction import in_statement, in_transaction

THIN_FOR = 0.2
"""Seconds during which one sweep begins with further grains; each is at most what an hour's versions come to."""


def thin(engine: sa.Engine) -> None:
    """Thin the record by what is due of it; the next sweep goes on where time runs out."""
    deadline = time.monotonic() + THIN_FOR
    for thinning in record.THINNINGS:
        in_statement(engine, partial(record.begin_thinning, thinning=thinning))
        while in_transaction(engine, partial(record.thin, thinning=thinning)) and time.monotonic() < deadline:
            pass
