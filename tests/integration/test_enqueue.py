"""Messages to the workers: many actions in one, and none waits for a pause that is meant to gather more."""

import asyncio
import base64
import json
from typing import Any

import pytest
from celery import Celery

from app import enqueue
from app.domain.ids import ActionId, new_id
from app.settle_messages import SettleMessages
from config import queues
from tests.support.loop import until
from tests.support.service import Stores


def test_enqueuer_splits_what_is_too_much_for_one_message(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "GATHER_MANY", 60.0)

    async def scenario() -> None:
        enqueuer = enqueue.Enqueuer(stores.redis_url)
        for _ in range(2 * queues.BATCH + enqueue.MANY):
            enqueuer.completed(ActionId(new_id()), "request")
        await until(lambda: stores.redis.llen(queues.SETTLE_QUEUE) == 3)
        enqueuer.completed(ActionId(new_id()), "request")  # and this one waits for others
        await asyncio.sleep(0.1)
        assert stores.redis.llen(queues.SETTLE_QUEUE) == 3
        await enqueuer.close()

    stores.redis.delete(queues.SETTLE_QUEUE)
    asyncio.run(scenario())
    stores.redis.delete(queues.SETTLE_QUEUE)


def test_enqueuer_sends_messages_that_no_clock_makes_void(stores: Stores) -> None:
    async def scenario() -> None:
        enqueuer = enqueue.Enqueuer(stores.redis_url)
        enqueuer.completed(ActionId(new_id()), "request")
        await until(lambda: stores.redis.llen(queues.SETTLE_QUEUE) == 1)
        await enqueuer.close()

    stores.redis.delete(queues.SETTLE_QUEUE)
    asyncio.run(scenario())
    (text,) = stores.redis.lrange(queues.SETTLE_QUEUE, 0, -1)
    stores.redis.delete(queues.SETTLE_QUEUE)
    message = json.loads(text)
    assert message["headers"]["task"] == queues.SETTLE
    assert message["headers"]["expires"] is None


def test_enqueuer_leaves_to_the_sweep_what_a_full_queue_refuses(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queues, "LONGEST_SETTLE_QUEUE", 3)
    monkeypatch.setattr(enqueue, "GATHER", 0.0)

    async def scenario() -> None:
        enqueuer = enqueue.Enqueuer(stores.redis_url)
        for _ in range(10):
            await enqueuer._batcher.submit(enqueue.Completed(ActionId(new_id()), "request", None))
        await enqueuer.close()

    stores.redis.delete(queues.SETTLE_QUEUE)
    asyncio.run(scenario())
    assert stores.redis.llen(queues.SETTLE_QUEUE) == 4
    assert len([it for it in caplog.records if "left to the sweep" in it.getMessage()]) == 1
    stores.redis.delete(queues.SETTLE_QUEUE)


def test_message_is_the_one_that_celery_sends_by_itself(stores: Stores) -> None:
    """A Celery or kombu that writes them otherwise is noticed here: app/settle_messages.py goes by their insides."""
    celery = Celery(broker=stores.redis_url, set_as_current=False)
    celery.conf.update(task_routes=queues.ROUTES, task_ignore_result=True)
    ids, headers = [ActionId(new_id()), ActionId(new_id())], {queues.REQUESTS: ["one", "two"], queues.SPANS: ["span"]}
    stores.redis.delete(queues.SETTLE_QUEUE)
    celery.send_task(queues.SETTLE, args=[ids], headers=headers, retry=False, ignore_result=True)
    (theirs,) = (comparable(it) for it in stores.redis.lrange(queues.SETTLE_QUEUE, 0, -1))
    stores.redis.delete(queues.SETTLE_QUEUE)
    celery.close()
    messages = SettleMessages()
    ours = [comparable(messages.message(ids, ["one", "two"], ["span"])) for _ in range(2)]
    messages.close()
    assert ours == [theirs, theirs]
    assert theirs["body"][0] == [ids]


def comparable(text: str | bytes) -> dict[str, Any]:
    """Read a message, without what is of its own each time."""
    message: dict[str, Any] = json.loads(text)
    message["body"] = json.loads(base64.b64decode(message["body"]))
    task_id = message["headers"].pop("id")
    assert message["headers"].pop("root_id") == message["properties"].pop("correlation_id") == task_id
    # No task has a result, so that nothing replies.
    for name in ("delivery_tag", "reply_to"):
        del message["properties"][name]
    return message
