"""Messages to the workers: many actions in one, and none waits for a pause that is meant to gather more."""

import asyncio

import pytest

from app import enqueue
from app.domain.ids import ActionId, new_id
from config import queues
from tests.loop import until
from tests.service import Stores


def test_what_is_too_much_for_one_message_follows_at_once(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "GATHER_MANY", 60.0)

    async def scenario() -> None:
        enqueuer = enqueue.Enqueuer(stores.redis_url)
        for _ in range(2 * queues.BATCH + enqueue.MANY):
            enqueuer.completed(ActionId(new_id()), "request")
        await until(lambda: stores.redis.llen(queues.SETTLE_QUEUE) == 3)
        enqueuer.completed(ActionId(new_id()), "request")  # and this one waits for others
        await asyncio.sleep(0.1)
        assert stores.redis.llen(queues.SETTLE_QUEUE) == 3
        enqueuer.close()

    stores.redis.delete(queues.SETTLE_QUEUE)
    asyncio.run(scenario())
    stores.redis.delete(queues.SETTLE_QUEUE)
