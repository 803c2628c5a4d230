"""The answers about webhooks. Source: contract, section 8, "Webhooks"."""

import msgspec

from app.domain.moments import Moment
from app.domain.webhooks import DeliveryStatus, Template, WebhookEvent


class WebhookRecord(msgspec.Struct, rename="camel"):
    """A webhook as operators see it: how many attempts in a row have failed, how many messages wait or are dead."""

    webhook_id: str
    url: str
    events: list[WebhookEvent]
    template: Template | None
    paused: bool
    failures: int
    waiting: int
    dead: int
    created_at: Moment
    created_by: str


class NewWebhook(WebhookRecord, rename="camel", kw_only=True):
    """A new webhook with its secret, which is never told again."""

    secret: str


class RotatedWebhook(NewWebhook, rename="camel", kw_only=True):
    """A webhook with its new secret, which is never told again; the old one signs as well until then, or not at all."""

    old_secret_until: Moment | None


class WebhookRecords(msgspec.Struct, rename="camel"):
    """All webhooks, the newest first; there is no further page."""

    items: list[WebhookRecord]
    next_cursor: str | None


class DeliveryRecord(msgspec.Struct, rename="camel"):
    """A message for a webhook, and what became of it; `event` may be `webhook.test`."""

    delivery_id: str
    event: str
    status: DeliveryStatus
    created_at: Moment
    attempts: int
    last_attempt_at: Moment | None
    next_attempt_at: Moment | None
    delivered_at: Moment | None
    last_status: int | None
    last_error: str | None


class DeliveryRecords(msgspec.Struct, rename="camel"):
    """A page of a webhook's deliveries, the newest first, and the cursor of the next one."""

    items: list[DeliveryRecord]
    next_cursor: str | None
