"""Webhooks: operators make, list, pause, try and delete them, and look after what was sent."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import Malformed, NotFound
from app.domain.ids import is_id
from app.domain.webhooks import EVENTS, LONGEST_URL, STATUSES, Template, WebhookEvent
from app.http.answers import JSON, read_json
from app.outgoing import change as changes
from app.outgoing import manage
from app.outgoing.secrets import Box
from app.routes.admin import LONGEST_PAGE, PAGE, MayHaveReason
from app.routes.operators import OptionalReason, change, operator
from app.routes.paging import limit_of, number_cursor_of
from app.routes.webhook_shapes import (
    DeliveryRecord,
    DeliveryRecords,
    NewWebhook,
    RotatedWebhook,
    WebhookRecord,
    WebhookRecords,
)
from db import webhooks
from db.webhooks import DeliveryRow, WebhookRow


class WebhookBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A new webhook: where to send, what, and whether as a sentence for a channel of Discord or Slack."""

    url: Annotated[str, msgspec.Meta(min_length=8, max_length=LONGEST_URL)]
    events: Annotated[list[WebhookEvent], msgspec.Meta(min_length=1, max_length=len(EVENTS))]
    template: Template | None = None
    reason: OptionalReason = None


class WebhookChange(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What is to change, one of these at least; while a webhook is paused, what happens waits."""

    paused: bool | None = None
    url: Annotated[str, msgspec.Meta(min_length=8, max_length=LONGEST_URL)] | None = None
    events: Annotated[list[WebhookEvent], msgspec.Meta(min_length=1, max_length=len(EVENTS))] | None = None
    reason: OptionalReason = None


class SecretBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Whether the old secret signs as well for a day."""

    keep_old: bool = True
    reason: OptionalReason = None


async def create(request: Request) -> Response:
    """POST /admin/webhooks"""
    web, who = await operator(request)
    body = await read_json(request, WebhookBody)

    def make(conn: sa.Connection) -> tuple[WebhookRow, str]:
        return manage.make(
            conn,
            Box(web.settings.secret_keys),
            url=body.url,
            events=body.events,
            template=body.template,
            private_addresses=web.settings.webhook_private_addresses,
            actor=who.actor,
            reason=body.reason,
        )

    made, secret = await change(web, who, make)
    return JSON(NewWebhook(**_facts(made), secret=secret), 201, {"Cache-Control": "no-store"})


async def list_all(request: Request) -> Response:
    """GET /admin/webhooks"""
    web, _ = await operator(request)
    found = await web.statement(webhooks.listed)
    return JSON(WebhookRecords([WebhookRecord(**_facts(it)) for it in found], None))


async def set_some(request: Request) -> Response:
    """PATCH /admin/webhooks/:id"""
    web, who = await operator(request)
    body = await read_json(request, WebhookChange)
    if body.paused is None and body.url is None and body.events is None:
        raise Malformed("One of paused, url and events is needed.")
    webhook_id = _id(request)

    def make(conn: sa.Connection) -> WebhookRow:
        changed = changes.change(
            conn,
            webhook_id,
            url=body.url,
            events=body.events,
            private_addresses=web.settings.webhook_private_addresses,
            actor=who.actor,
            reason=body.reason,
        )
        if body.paused is None:
            return changed
        return manage.set_paused(conn, webhook_id, paused=body.paused, actor=who.actor, reason=body.reason)

    return JSON(WebhookRecord(**_facts(await change(web, who, make))))


async def rotate(request: Request) -> Response:
    """POST /admin/webhooks/:id/secret"""
    web, who = await operator(request)
    body = await read_json(request, SecretBody, or_nothing=True)
    webhook_id = _id(request)

    def make(conn: sa.Connection) -> tuple[WebhookRow, str, datetime | None]:
        box = Box(web.settings.secret_keys)
        return changes.rotate(conn, box, webhook_id, keep_old=body.keep_old, actor=who.actor, reason=body.reason)

    row, secret, until = await change(web, who, make)
    made = RotatedWebhook(**_facts(row), secret=secret, old_secret_until=until)
    return JSON(made, 200, {"Cache-Control": "no-store"})


async def delete(request: Request) -> Response:
    """DELETE /admin/webhooks/:id"""
    web, who = await operator(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    webhook_id = _id(request)
    await change(web, who, lambda conn: manage.delete(conn, webhook_id, actor=who.actor, reason=body.reason))
    return Response(status_code=204)


async def send_test(request: Request) -> Response:
    """POST /admin/webhooks/:id/test"""
    web, who = await operator(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    webhook_id = _id(request)
    added = await change(web, who, lambda conn: manage.send_test(conn, webhook_id, actor=who.actor, reason=body.reason))
    return JSON(_delivery(added), 202)


async def list_deliveries(request: Request) -> Response:
    """GET /admin/webhooks/:id/deliveries"""
    web, _ = await operator(request)
    status = request.query_params.get("status")
    if status not in (None, *STATUSES):
        raise Malformed(f"status: must be one of {', '.join(STATUSES)}.")
    limit, before = limit_of(request, default=PAGE, longest=LONGEST_PAGE), number_cursor_of(request)
    webhook_id = _id(request)

    def read(conn: sa.Connection) -> tuple[list[DeliveryRow], str | None]:
        manage.find(conn, webhook_id)
        return webhooks.deliveries(conn, webhook_id, status=status, before=before, limit=limit)

    rows, after = await web.transaction(read)
    return JSON(DeliveryRecords([_delivery(it) for it in rows], after))


async def repeat(request: Request) -> Response:
    """POST /admin/webhooks/:id/deliveries/:deliveryId/repeat"""
    web, who = await operator(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    webhook_id, delivery_id = _id(request), request.path_params["delivery_id"]
    if not (delivery_id.isascii() and delivery_id.isdecimal() and len(delivery_id) <= 18):
        raise NotFound("There is no such delivery.")
    repeated = await change(
        web,
        who,
        lambda conn: manage.repeat(conn, webhook_id, int(delivery_id), actor=who.actor, reason=body.reason),
    )
    return JSON(_delivery(repeated))


def _id(request: Request) -> str:
    webhook_id: str = request.path_params["id"]
    if not is_id(webhook_id):
        raise NotFound("There is no such webhook.")
    return webhook_id


def _facts(row: WebhookRow) -> dict[str, Any]:
    return {**asdict(row), "events": list(row.events)}


def _delivery(row: DeliveryRow) -> DeliveryRecord:
    return DeliveryRecord(**asdict(row))
