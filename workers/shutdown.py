"""How a worker shuts down, and the two deadlines that it is sure to meet.

1. SIGTERM comes to the parent, and perhaps to the whole group: children ignore it (`workers.app.set_up_process`).
2. The parent takes no more messages. A child ends the task at hand, for which it has `TASK_LIMIT` at most, and exits.
3. A child that hangs where no limit reaches it is killed after `SHUTDOWN_WITHIN`, and the worker exits with 1.

Whatever was not settled by then, the sweep settles later.
"""

import contextlib
import logging
import os
import signal
import threading
from typing import Any

import billiard
from celery.signals import task_postrun, task_prerun, worker_shutting_down

from telemetry import logs

TASK_LIMIT = 5
"""Seconds after which a task's process ends; the sweep settles what it left."""

SHUTDOWN_WITHIN = 20
"""Seconds that the tasks at hand are given when the worker is asked to end."""

log = logging.getLogger("scoreboard.worker")


def watch() -> None:
    """Hold the worker of this process to both deadlines."""
    worker_shutting_down.connect(_end_in_time)
    task_prerun.connect(_limit_task)
    task_postrun.connect(_lift_limit)


def _end_in_time(**_: Any) -> None:
    # A child that hangs where no limit reaches it would be waited for for ever, and the platform kill us in the end.
    last_call = threading.Timer(SHUTDOWN_WITHIN, _end_now)
    last_call.daemon = True
    last_call.start()


def _end_now() -> None:
    log.error("a child did not end within %d s and is killed; the sweep settles what it had", SHUTDOWN_WITHIN)
    for child in billiard.active_children():
        if child.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
    logs.flush()
    os._exit(1)


def _limit_task(**_: Any) -> None:
    # By the child's own clock: Celery's is in the parent, where it stands still while the broker is away, and then
    # strikes children that were done long before. The default action ends the process, whatever it is at.
    signal.setitimer(signal.ITIMER_REAL, TASK_LIMIT)


def _lift_limit(**_: Any) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
