"""The settle task: one message for many completed actions."""

from celery import shared_task

from app.board import settling
from app.domain.ids import ActionId
from config import queues
from tasks.resources import desk


@shared_task(name=queues.SETTLE)
def settle(action_ids: list[ActionId]) -> None:
    """Settle actions and publish the board."""
    settling.settle_now(desk(), action_ids)
