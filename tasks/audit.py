"""The audit task: are the invariants kept? Every minute, a part of it."""

from celery import shared_task

from app.board.audit import watch
from config import queues
from tasks.resources import desk


@shared_task(name=queues.AUDIT)
def audit() -> None:
    """Check the invariants, and raise the alarm for every violation."""
    watch(desk())
