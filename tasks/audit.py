"""The audit task: checks a part of the invariants every minute."""

import contextlib

from celery import shared_task

from app.board.audit import watch
from app.board.months import make_months
from app.domain.errors import DatabaseUnavailable
from config import queues
from db import clock
from tasks.resources import desk


@shared_task(name=queues.AUDIT)
def audit() -> None:
    """Check this host's clock and the invariants, and raise the alarm for every violation."""
    with contextlib.suppress(DatabaseUnavailable):  # the audit reports that itself
        clock.check(desk().engine)
    make_months(desk().engine, months=desk().partition_months)
    watch(desk())
