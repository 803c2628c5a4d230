"""The pool of a worker's child processes."""

from typing import Any

from billiard import pool
from celery.concurrency import asynpool, prefork

REAPED_WITHIN = 1.0
"""Seconds; it takes a millisecond."""


class _ResultHandler(asynpool.ResultHandler):
    """Reads what children report until they have ended, where Celery's own reads until it waits for no more jobs.

    A worker that is asked to end gives up each job that it has not yet read the start of. The child that runs such a
    job waits at its end, for half a minute, until its report is read; and Celery would not read it.
    """

    def on_stop_not_started(self: Any) -> None:  # Celery's type hints know nothing of what is here
        super().on_stop_not_started()
        open_pipes = set(self.fileno_to_outq)
        while open_pipes and self._state != pool.TERMINATE:
            for pipe in list(open_pipes):
                self._flush_outqueue(pipe, open_pipes.discard, self.fileno_to_outq, self.on_state_change)
            try:
                self.join_exited_workers(shutdown=True)
            except pool.WorkersJoined:
                return


class _Pool(asynpool.AsynPool):
    """Hands a job to a child that waits at once, and replaces a child that died at once.

    Celery's own pool waits for the event loop's next turn, and may take five seconds to see a death.
    """

    ResultHandler = _ResultHandler

    def _create_write_handlers(self: Any, hub: Any, *args: Any, **kwargs: Any) -> None:
        super()._create_write_handlers(hub, *args, **kwargs)  # type: ignore[misc]
        queue, write = self._quick_put, hub.consolidate_callback

        def put(job: Any) -> None:
            queue(job)
            # Those that run a job are passed over; then it is written when one of them is done, as Celery does.
            if free := list(self._all_inqueues - self._active_writes):
                write(free)

        self._quick_put = put

    def _event_process_exit(self, hub: Any, process: Any) -> None:
        # The kernel closes a dying child's pipe, by which we learn of its end, an instant before the child can be
        # reaped. Checked in between, it still counts as alive, and isn't checked again for seconds.
        process.join(REAPED_WITHIN)
        super()._event_process_exit(hub, process)  # type: ignore[misc]


class PromptPool(prefork.TaskPool):
    """The prefork pool with a `_Pool`."""

    Pool = _Pool
