"""The settle task: one message for many completed actions."""

from typing import Any

from celery import shared_task

from app.board.worker import settle_and_publish
from app.domain.ids import ActionId
from config import queues
from tasks.resources import desk
from telemetry import logs, tracing


@shared_task(name=queues.SETTLE, bind=True)
def settle(self: Any, action_ids: list[ActionId]) -> None:
    """Settle actions and publish the boards."""
    requests = self.request.get(queues.REQUESTS) or ()
    spans = self.request.get(queues.SPANS) or ()
    with logs.on_behalf_of(dict(zip(action_ids, requests, strict=False))), tracing.task("settle", spans):
        settle_and_publish(desk(), action_ids)
