"""The sweep task: settles what no message named, and does the upkeep, every two seconds."""

from celery import shared_task

from app.board.sweep import run_duties
from config import queues
from tasks.resources import desk


@shared_task(name=queues.SWEEP)
def sweep() -> None:
    """Cancel what expired, settle what is overdue, publish what is behind."""
    run_duties(desk())
