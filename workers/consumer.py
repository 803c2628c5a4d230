"""The worker's consumer of messages."""

import contextlib
from typing import Any

from celery.worker import consumer

EVENTS_EVERY = 0.2
"""Seconds for which events about tasks are gathered, and by which Flower lags."""


class LateEventsConsumer(consumer.Consumer):
    """Tells Flower of tasks every now and then; Celery's own does before it hands a task to a child, and waits for it.

    `on_send_event_buffered` is what Celery's dispatcher calls for each event that it has kept.
    """

    _due: Any = None
    hub: Any
    event_dispatcher: Any

    def on_send_event_buffered(self) -> None:  # type: ignore[override]
        # Celery cancels what a connection has scheduled when that is lost.
        if self.hub and (self._due is None or self._due.cancelled):
            self._due = self.hub.call_later(EVENTS_EVERY, self._tell)

    def stop(self) -> None:
        """Tell of the last tasks, then stop."""
        with contextlib.suppress(Exception):  # the broker is away: nobody is to be told
            self._tell()
        super().stop()

    def _tell(self) -> None:
        self._due = None
        if self.event_dispatcher:
            self.event_dispatcher.flush()
