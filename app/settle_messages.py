"""Writes settle messages as Celery and kombu write them, and leaves the sending to the caller.

They send by a thread and in several round trips. `amqp.send_task_message`, `Producer` and `virtual.Channel._put` are
their own seams; tests/integration/test_enqueue.py compares with what they would send themselves.
"""

from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu import Connection
from kombu.transport import virtual
from kombu.utils.json import dumps

from app.domain.ids import ActionId, new_id
from config import queues


class _Channel(virtual.Channel):
    """Keeps the last message where a transport's own channel would send it."""

    kept: Any = None

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        self.kept = message


class _Transport(virtual.Transport):
    Channel = _Channel
    state = virtual.BrokerState()

    def establish_connection(self) -> "_Transport":
        return self

    def close_connection(self, connection: object) -> None:
        pass


class SettleMessages:
    """Writes the messages of one process."""

    def __init__(self) -> None:
        self._celery = Celery("scoreboard-web", set_as_current=False)
        self._celery.conf.update(task_serializer="json")
        self._channel: Any = Connection(transport=_Transport).channel()
        self._producer = self._celery.amqp.Producer(self._channel, auto_declare=False)

    def message(self, action_ids: Sequence[ActionId], requests: Sequence[str], spans: Sequence[str]) -> str:
        """Write a message, as it lies in the queue.

        Args:
            requests: the ids of the requests that completed the actions, in their order.
            spans: of those that are traced.
        """
        amqp = self._celery.amqp
        amqp.send_task_message(
            self._producer,
            queues.SETTLE,
            amqp.create_task_message(new_id(), queues.SETTLE, [list(action_ids)], ignore_result=True),
            queue=queues.SETTLE_QUEUE,
            declare=[],
            # In headers, not arguments, so that workers of another version can ignore them.
            headers={queues.REQUESTS: list(requests), queues.SPANS: list(spans)},
            retry=False,
        )
        return str(dumps(self._channel.kept))

    def close(self) -> None:
        """Let go of Celery's resources."""
        self._celery.close()
