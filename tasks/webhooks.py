"""The webhooks task: notes what other systems are to be told, and begins to send it, every second."""

import logging
import random

from celery import shared_task

from app.domain.errors import DatabaseUnavailable
from app.outgoing.deliver import Outbound, Sender
from app.outgoing.secrets import Box
from config import queues
from config.settings import Settings
from db import engine, webhook_outbox
from db.transaction import in_transaction

CONNECTIONS = 2
"""To PostgreSQL, besides those that settle."""
WAIT_AT_END = 6.0
"""Seconds that messages under way are given when the worker ends: longer than one may take."""
KEEP_DAYS = 7
MOST_WAITING = 10_000
"""Deliveries that may wait for one webhook; beyond that the oldest are dead."""
TIDY_EVERY = 30
"""Seconds after which, on average, what is too old or too much goes."""
TIDIED = 5000
"""Deliveries that go at once: more than twenty webhooks get in that time, each of some boards that change always."""

log = logging.getLogger("scoreboard.webhooks")

_sender: Sender | None = None
_outbound: Outbound | None = None


def configure(settings: Settings) -> None:
    """Set what this process, and those forked from it, deliver with; nothing is opened yet."""
    global _outbound
    _outbound = Outbound(
        engine=engine.connect(settings.database_url, engine.WORKER, pool_size=CONNECTIONS, name="webhooks"),
        box=Box(settings.secret_keys),
        service=settings.service_name,
        private_network=settings.webhook_private_addresses,
    )


@shared_task(name=queues.WEBHOOKS)
def webhooks() -> None:
    """Note which boards have changed and which periods are over, and begin to send what is due."""
    global _sender
    if _outbound is None:
        raise RuntimeError("tasks.webhooks.configure has not been called")
    try:
        if not in_transaction(_outbound.engine, webhook_outbox.note):
            return
        if random.randrange(TIDY_EVERY) == 0:
            in_transaction(
                _outbound.engine,
                lambda conn: webhook_outbox.tidy(conn, days=KEEP_DAYS, most=MOST_WAITING, limit=TIDIED),
            )
        if _sender is None:
            _sender = Sender(_outbound)
        _sender.run()
    except DatabaseUnavailable as error:
        log.warning("webhooks wait for PostgreSQL: %s", error)


def close() -> None:
    """Wait a moment for what is under way, and let go of this process's connections."""
    if _sender is not None:
        _sender.close(WAIT_AT_END)
    if _outbound is not None:
        _outbound.engine.dispose()
