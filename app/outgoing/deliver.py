"""Delivers what is due to webhooks, in threads: a worker settles on while a receiver hangs.

Each webhook is taken by one thread of one process at a time, for a lease that outlasts its turn: so its messages keep
their order, and a receiver has one request at a time. A process that dies leaves the lease to run out; what it had sent
without noting so is sent again. Source: docs/webhooks.md.
"""

import contextlib
import logging
import random
import threading
import time
from dataclasses import dataclass

import sqlalchemy as sa
from standardwebhooks import Webhook

from app.domain import webhook_messages
from app.domain.errors import DatabaseUnavailable
from app.domain.webhooks import GIVE_UP_AFTER, LONGEST_DELAY, WebhookId, delay, host_of
from app.outgoing.compose import Message, NotToBeSent, compose
from app.outgoing.post import Outcome, post
from app.outgoing.secrets import Box, SecretLost
from config.version import VERSION
from db import webhook_outbox
from db.transaction import in_transaction
from db.webhook_outbox import Due
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.webhooks")

TURN = 5.0
"""Seconds during which a thread begins further messages to one webhook."""
LEASE = 60.0
"""Seconds that a webhook is another process's at most: a turn, an attempt, and a name server that takes its time."""
BETWEEN = 0.1
"""Seconds between two messages to one webhook: ten in a second at most."""
_JITTER = 0.1

DELAYS = tuple(delay(failures) for failures in range(1, 7))


@dataclass(frozen=True, slots=True)
class Outbound:
    """What delivering needs: the database, the keys of secrets, the service's name, and whether it may go anywhere."""

    engine: sa.Engine
    box: Box
    service: str
    private_network: bool


class Sender:
    """Gives each webhook for which something is due a thread, until nothing is or its turn is over."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._threads: set[threading.Thread] = set()
        self._closing = threading.Event()

    def run(self) -> None:
        """Begin to deliver what is due, and return at once."""
        self._threads = {it for it in self._threads if it.is_alive()}
        if self._closing.is_set():
            return
        for webhook_id in in_transaction(self._outbound.engine, lambda conn: webhook_outbox.claim(conn, lease=LEASE)):
            thread = threading.Thread(target=self._turn, args=(webhook_id,), name="webhook", daemon=True)
            self._threads.add(thread)
            thread.start()

    def close(self, patience: float) -> None:
        """Begin no further message, and wait for those under way, `patience` seconds at most."""
        self._closing.set()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _turn(self, webhook_id: WebhookId) -> None:
        deadline = time.monotonic() + TURN
        engine = self._outbound.engine
        try:
            while time.monotonic() < deadline and deliver_next(self._outbound, webhook_id):
                if self._closing.wait(BETWEEN):
                    break
            in_transaction(engine, lambda conn: webhook_outbox.release(conn, webhook_id))
        except DatabaseUnavailable as error:
            log.warning("webhooks: PostgreSQL is away, what is due is tried again: %s", error)
        except Exception:
            log.exception("webhooks: delivering failed")


def deliver_next(outbound: Outbound, webhook_id: WebhookId) -> bool:
    """Send the message that is due next to a webhook, and note what became of it; False when none is, or it failed."""
    found = in_transaction(outbound.engine, lambda conn: _next(conn, webhook_id))
    if found is None:
        return False
    due, message = found
    if message is None:
        return True
    try:
        outcome = _send(outbound, webhook_id, due, message)
    except SecretLost:
        outcome = Outcome(None, "its secret was encrypted with a SECRET_KEY that is gone: make the webhook anew")
    _note(outbound, webhook_id, due, message, outcome)
    return outcome.taken


def _next(conn: sa.Connection, webhook_id: WebhookId) -> tuple[Due, Message | None] | None:
    due = webhook_outbox.next_due(conn, webhook_id)
    if due is None:
        return None
    try:
        return due, compose(conn, webhook_id, due)
    except NotToBeSent as error:
        webhook_outbox.drop(conn, due.delivery_id, str(error))
        return due, None


def _send(outbound: Outbound, webhook_id: WebhookId, due: Due, message: Message) -> Outcome:
    secrets = _secrets(outbound.box, due)
    if (renewed := outbound.box.renewed(due.closed_secret)) is not None:
        known = due.closed_secret
        in_transaction(
            outbound.engine, lambda conn: webhook_outbox.renew_secret(conn, webhook_id, known=known, renewed=renewed)
        )
    body = webhook_messages.body(due.event, message.at, message.data, due.template, service=outbound.service)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Scoreboard/{VERSION}",
        "webhook-id": message.id,
        "webhook-timestamp": str(int(due.now.timestamp())),
        "webhook-signature": " ".join(Webhook(it).sign(message.id, due.now, body.decode()) for it in secrets),
    }
    return post(due.url, body, headers, private_network=outbound.private_network)


def _secrets(box: Box, due: Due) -> list[str]:
    """Return the secrets to sign with, the present one first."""
    secrets = [box.open(due.closed_secret)]
    if due.closed_old_secret is not None:
        with contextlib.suppress(SecretLost):  # the present one is what counts
            secrets.append(box.open(due.closed_old_secret))
    return secrets


def _note(outbound: Outbound, webhook_id: WebhookId, due: Due, message: Message, outcome: Outcome) -> None:
    if outcome.taken:
        in_transaction(
            outbound.engine,
            lambda conn: webhook_outbox.delivered(
                conn, webhook_id, due.delivery_id, status=outcome.status, told=message.told
            ),
        )
        metrics.webhook_attempts.labels(due.event, "delivered").inc()
        return
    # Spread, so that what failed together doesn't come back together.
    spread = random.uniform(1.0, 1.0 + _JITTER)
    asked = min(outcome.retry_after or 0.0, LONGEST_DELAY)
    dead = in_transaction(
        outbound.engine,
        lambda conn: webhook_outbox.failed(
            conn,
            webhook_id,
            due.delivery_id,
            status=outcome.status,
            error=outcome.error or "",
            own=delay(due.attempts + 1, asked=asked),
            delays=[max(it, asked) * spread for it in DELAYS],
            give_up=GIVE_UP_AFTER.total_seconds(),
        ),
    )
    metrics.webhook_attempts.labels(due.event, "dead" if dead else "failed").inc()
    logs.event(
        log,
        logs.WEBHOOK_DEAD if dead else logs.WEBHOOK_FAILED,
        logging.WARNING,
        webhookId=webhook_id,
        host=host_of(due.url),
        deliveryId=str(due.delivery_id),
        event=due.event,
        attempts=due.attempts + 1,
        reason=outcome.error,
    )
