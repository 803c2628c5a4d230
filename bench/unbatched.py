"""The web process without what makes it fast: each request alone in its batch, and a Celery message for each action.

It exists for one row of the table, which shows what the design avoids; the service itself has no such setting.
"""

from app import enqueue
from app.__main__ import main
from app.concurrency.batching import Batcher
from config import queues


def take_apart() -> None:
    """Let batches hold one item, and messages go out one for each action, without a pause between them."""
    defaults = Batcher.__init__.__kwdefaults__
    assert defaults is not None
    assert "limit" in defaults, "the Batcher's limit is no longer called so: this row would show nothing"
    assert hasattr(enqueue, "GATHER"), "the Enqueuer's pause is no longer called so: this row would show nothing"
    defaults["limit"] = 1
    queues.BATCH = 1
    enqueue.GATHER = enqueue.GATHER_MANY = 0.0


if __name__ == "__main__":
    take_apart()
    main()
