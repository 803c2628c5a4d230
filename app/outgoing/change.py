"""Changing a webhook's address and events, and its secret, in the caller's transaction, each with its audit event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.board.correct import WrongState
from app.domain.errors import Malformed
from app.domain.webhooks import OLD_SECRET_SIGNS, WebhookEvent, check_url, host_of
from app.outgoing.manage import find, record
from app.outgoing.secrets import Box, new_secret
from db import webhooks
from db.webhooks import WebhookRow


def change(
    conn: sa.Connection,
    webhook_id: str,
    *,
    url: str | None,
    events: Sequence[WebhookEvent] | None,
    private_addresses: bool,
    actor: str,
    reason: str | None,
) -> WebhookRow:
    """Send elsewhere what is sent from now on, or tell of other events; what is None stays.

    What waits goes to the new address, at once; what waits of events that are no longer told is dropped. An event that
    is told anew begins with what follows. Nothing is recorded when that is so already.

    Raises:
        NotFound: when there is no such webhook.
        Malformed: when the address is no address, or an event is there twice.
    """
    if url is not None:
        check_url(url, private_addresses=private_addresses)
    if events is not None and len(set(events)) != len(events):
        raise Malformed("events: each may be there once.")
    before = find(conn, webhook_id, lock=True)
    new_url, new_events = url or before.url, list(events or before.events)
    details: dict[str, Any] = {}
    if new_url != before.url:
        webhooks.set_url(conn, webhook_id, new_url)
        details["oldHost"] = host_of(before.url)
    if set(new_events) != set(before.events):
        webhooks.set_events(conn, webhook_id, new_events, added=sorted(set(new_events) - set(before.events)))
        details |= {"events": new_events, "oldEvents": list(before.events)}
    if details:
        record(conn, "webhook_changed", before.webhook_id, new_url, actor, reason, **details)
    return find(conn, webhook_id)


def rotate(
    conn: sa.Connection, box: Box, webhook_id: str, *, keep_old: bool, actor: str, reason: str | None
) -> tuple[WebhookRow, str, datetime | None]:
    """Make a new secret.

    Args:
        keep_old: whether the present one signs as well for a day, so that the receiver has time to change.

    Returns:
        The webhook, the new secret, which nothing tells again, and until when the old one signs as well.

    Raises:
        NotFound: when there is no such webhook.
        WrongState: when the old one is to be kept and there is an older one that still signs: receivers that have that
            one would get nothing they could verify.
    """
    webhook = find(conn, webhook_id, lock=True)
    if keep_old and webhooks.has_old_secret(conn, webhook_id):
        hours = round(OLD_SECRET_SIGNS.total_seconds() / 3600)
        raise WrongState(f"The secret was changed within {hours} hours, and the one before still signs.")
    secret = new_secret()
    seconds = OLD_SECRET_SIGNS.total_seconds() if keep_old else None
    until = webhooks.set_secret(conn, webhook_id, box.close(secret), old_signs=seconds)
    record(conn, "webhook_rotated", webhook.webhook_id, webhook.url, actor, reason, keepOld=keep_old)
    return webhook, secret, until
