"""What we change of Celery's worker; an upgrade of Celery that goes other ways is noticed here."""

import pickle
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from celery.app.events import Events as AppEvents
from celery.events.dispatcher import EventDispatcher
from celery.worker.consumer import consumer, events
from kombu.asynchronous import Hub
from kombu.asynchronous.timer import Timer

from workers.consumer import EVENTS_EVERY, LateEventsConsumer
from workers.pool import _Pool


class Loop:
    """Celery's event loop, as far as timers go, at a time of its own."""

    def __init__(self) -> None:
        self.timer = Timer()
        self.later: list[float] = []

    def call_later(self, seconds: float, function: Callable[[], None]) -> Any:
        self.later.append(seconds)
        return self.timer.call_after(seconds, function)

    def fire(self) -> None:
        for it in list(self.timer._queue):
            it.entry()
        self.timer.clear()


def test_events_are_told_together_and_not_before_the_loop_goes_on() -> None:
    told: list[int] = []
    worker: Any = LateEventsConsumer.__new__(LateEventsConsumer)
    worker.hub = loop = Loop()
    worker.event_dispatcher = SimpleNamespace(flush=lambda: told.append(len(loop.later)))
    for _ in range(3):
        worker.on_send_event_buffered()
    assert (loop.later, told) == ([EVENTS_EVERY], [])
    loop.fire()
    assert told == [1]
    worker.on_send_event_buffered()
    # Lost with a connection, what was scheduled is scheduled again.
    for it in loop.timer._queue:
        it.entry.cancel()
    worker.on_send_event_buffered()
    assert len(loop.later) == 3
    worker.hub = None  # a pool without an event loop: Celery keeps no events there
    worker.on_send_event_buffered()


def test_celery_calls_what_is_changed() -> None:
    # The dispatcher of a worker is made with the consumer's method, and calls it for each event that it keeps.
    kept: list[str] = []
    dispatcher: Any = EventDispatcher.__new__(EventDispatcher)
    app = SimpleNamespace(clock=SimpleNamespace(forward=lambda: 1))
    dispatcher.__dict__ |= {"enabled": True, "groups": set(), "buffer_group": {"task"}, "clock": app.clock}
    dispatcher.__dict__ |= {"hostname": "here", "pid": 1, "buffer_limit": 24, "_group_buffer": {"task": []}}
    dispatcher.on_send_buffered = lambda: kept.append("task")
    dispatcher.send("task-received", uuid="one")
    assert kept == ["task"]
    assert "on_send_event_buffered" in vars(consumer.Consumer)
    assert "on_send_event_buffered" in events.Events.start.__code__.co_names
    assert AppEvents.dispatcher_cls.endswith("EventDispatcher")


class Child:
    """A child's process as the pool knows it."""

    def __init__(self, number: int) -> None:
        self.index, self.inqW_fd, self.got = number, 100 + number, b""

    def send_job_offset(self, data: memoryview, offset: int) -> int:
        self.got += data[offset:]
        return len(data) - offset


def test_job_is_written_to_a_child_that_waits_at_once_and_to_none_that_works() -> None:
    child = Child(0)
    pool: Any = _Pool.__new__(_Pool)
    job = SimpleNamespace(_accepted=False, _terminated=None, correlation_id="one")
    pool.__dict__ |= {"_fileno_to_inq": {}, "_fileno_to_synq": {}, "_active_writes": set(), "_active_writers": set()}
    pool.__dict__ |= {"_all_inqueues": {child.inqW_fd}, "_busy_workers": set(), "_cache": {1: job, 2: job}}
    pool.__dict__ |= {"outbound_buffer": deque(), "write_stats": {0: 0}, "sched_strategy": 4}
    pool._fileno_to_inq[child.inqW_fd] = child
    hub: Any = Hub(timer=Timer())
    pool._create_write_handlers(hub)
    first, second = ("task", (1, None, "settle", ())), ("task", (2, None, "settle", ()))
    pool._quick_put(first)
    assert pickle.loads(child.got[4:]) == first
    pool._quick_put(second)  # the child has not said that it is done
    assert pickle.loads(child.got[4:]) == first
    assert len(pool.outbound_buffer) == 1
    pool._busy_workers.clear()
    hub.consolidate_callback([child.inqW_fd])
    assert child.got.endswith(pickle.dumps(second, protocol=pickle.HIGHEST_PROTOCOL))
    hub.close()
