"""The pool of a worker's child processes."""

from typing import Any

from celery.concurrency import asynpool, prefork

REAPED_WITHIN = 1.0
"""Seconds; it takes a millisecond."""


class _Pool(asynpool.AsynPool):
    """Replaces a child that died at once, where Celery's own may take five seconds to see it."""

    def _event_process_exit(self, hub: Any, process: Any) -> None:
        # The kernel closes the dying child's pipe, by which we learn of it, an instant before the child can be reaped;
        # to one who looks in between it is alive, and nobody looks again soon.
        process.join(REAPED_WITHIN)
        super()._event_process_exit(hub, process)  # type: ignore[misc]


class PromptPool(prefork.TaskPool):
    """The prefork pool with a `_Pool`."""

    Pool = _Pool
