"""Beat's scheduler: sends sweep, audit and webhooks when they are due, and no more while earlier ones wait."""

from typing import Any

import redis
from celery.beat import Scheduler

from config import queues
from db.redis import connect


class BoundedScheduler(Scheduler):
    """Skips a task while `queues.LONGEST_SWEEP_QUEUE` messages wait, or they would pile up without a worker.

    Every schedule is an interval, so there is nothing to keep in a file.
    """

    def __init__(self, app: Any, **options: Any) -> None:
        self._broker = connect(app.conf.broker_url, timeout=1)
        super().__init__(app, **options)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send what is due, unless enough of it waits."""
        try:
            waiting = int(self._broker.llen(queues.ROUTES[entry.task]["queue"]))
        except redis.RedisError:
            waiting = 0  # sending will fail, and say so
        if waiting < queues.LONGEST_SWEEP_QUEUE.get(entry.task, 1):
            super().apply_entry(entry, producer)
