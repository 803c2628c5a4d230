"""Making, pausing, trying and deleting webhooks, in the caller's transaction, each with its audit event."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from app.board.correct import WrongState
from app.domain.errors import Malformed, NotFound
from app.domain.ids import new_id
from app.domain.trail import EventKind
from app.domain.webhooks import MOST, TEST, Template, TooManyWebhooks, WebhookEvent, WebhookId, check_url, host_of
from app.outgoing.secrets import Box, new_secret
from db import audit_events, webhooks
from db.webhooks import DeliveryRow, WebhookRow


def make(
    conn: sa.Connection,
    box: Box,
    *,
    url: str,
    events: Sequence[WebhookEvent],
    template: Template | None,
    private_addresses: bool,
    actor: str,
    reason: str | None,
) -> tuple[WebhookRow, str]:
    """Make a webhook; return what is stored of it, and its secret, which nothing tells again.

    Raises:
        Malformed: when the address is no address, or an event is there twice.
        TooManyWebhooks: when there are `MOST`.
    """
    check_url(url, private_addresses=private_addresses)
    if len(set(events)) != len(events):
        raise Malformed("events: each may be there once.")
    if webhooks.count(conn) >= MOST:
        raise TooManyWebhooks(f"There are {MOST} webhooks: delete some first.")
    webhook_id, secret = WebhookId(new_id()), new_secret()
    webhooks.insert(conn, webhook_id, url=url, events=events, template=template, secret=box.close(secret), actor=actor)
    record(conn, "webhook_created", webhook_id, url, actor, reason, events=list(events), template=template)
    return find(conn, webhook_id), secret


def find(conn: sa.Connection, webhook_id: str, *, lock: bool = False) -> WebhookRow:
    """Read a webhook; `lock`: it stays as it is until the transaction ends.

    Raises:
        NotFound: when there is none.
    """
    if lock:
        webhooks.lock(conn, webhook_id)
    found = webhooks.find(conn, webhook_id)
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


def set_paused(conn: sa.Connection, webhook_id: str, *, paused: bool, actor: str, reason: str | None) -> WebhookRow:
    """Pause a webhook, or let it go on; nothing is recorded when that is so already."""
    webhook = find(conn, webhook_id)
    if webhooks.set_paused(conn, webhook_id, paused=paused):
        kind: EventKind = "webhook_paused" if paused else "webhook_resumed"
        record(conn, kind, webhook.webhook_id, webhook.url, actor, reason)
    return find(conn, webhook_id)


def delete(conn: sa.Connection, webhook_id: str, *, actor: str, reason: str | None) -> None:
    """Delete a webhook, and what waits for it."""
    url = webhooks.delete(conn, webhook_id)
    if url is None:
        raise NotFound("There is no such webhook.")
    record(conn, "webhook_deleted", WebhookId(webhook_id), url, actor, reason)


def repeat(conn: sa.Connection, webhook_id: str, delivery_id: int, *, actor: str, reason: str | None) -> DeliveryRow:
    """Send a delivery once more, with the id that it has.

    Raises:
        NotFound: when there is no such delivery.
        WrongState: when it is waiting already.
    """
    webhook = find(conn, webhook_id)
    if not webhooks.delivery_exists(conn, webhook_id, delivery_id):
        raise NotFound("There is no such delivery.")
    repeated = webhooks.repeat(conn, webhook_id, delivery_id)
    if repeated is None:
        raise WrongState("The delivery, or a newer state of its board, is waiting already.")
    record(conn, "webhook_repeated", webhook.webhook_id, webhook.url, actor, reason, deliveryId=str(delivery_id))
    return repeated


def send_test(conn: sa.Connection, webhook_id: str, *, actor: str, reason: str | None = None) -> DeliveryRow:
    """Send a message that says nothing but that it arrived."""
    webhook = find(conn, webhook_id)
    record(conn, "webhook_tested", webhook.webhook_id, webhook.url, actor, reason)
    return webhooks.add_test(conn, webhook_id, TEST)


def record(
    conn: sa.Connection,
    kind: EventKind,
    webhook_id: WebhookId,
    url: str,
    actor: str,
    reason: str | None,
    **details: Any,
) -> None:
    """Record a change of a webhook."""
    # The host alone: whoever knows the rest of an address of Discord or Slack may write there.
    details = {"webhookId": webhook_id, "host": host_of(url), **details}
    audit_events.record(conn, kind, actor=actor, reason=reason, **details)
