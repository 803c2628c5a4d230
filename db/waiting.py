"""Waits for PostgreSQL: always with a bound, and on an event loop without blocking it.

SQLAlchemy and psycopg2 block, so one calls them in threads. But threads that run Python hand the interpreter to each
other at each round trip, mostly from core to core, which costs a busy process a sixth of its CPU. What it does most
runs on its event loop instead, in a greenlet, as with SQLAlchemy's own asyncio drivers: psycopg2 asks here how to wait,
and there the loop goes on meanwhile. Source: docs/decisions/0009-run-batches-on-the-event-loop.md.
"""

import asyncio
import contextlib
import math
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import psycopg2
import psycopg2.extensions
from sqlalchemy.util.concurrency import await_, in_greenlet

T = TypeVar("T")

in_greenlet()  # SQLAlchemy loads greenlet at the first call, for which two threads must not meet


def pause(seconds: float) -> None:
    """Sleep."""
    if in_greenlet():
        await_(asyncio.sleep(seconds))
    else:
        time.sleep(seconds)


class Waiting(psycopg2.extensions.connection):  # type: ignore[misc]
    """A connection that waits at most `answer_within` seconds for each answer."""

    answer_within: float = 60.0


def take_over() -> None:
    """Wait here for every connection of psycopg2 in this process."""
    psycopg2.extensions.set_wait_callback(_wait)


def _wait(connection: psycopg2.extensions.connection) -> None:
    seconds = getattr(connection, "answer_within", Waiting.answer_within)
    deadline = min(time.monotonic() + seconds, getattr(_thread, "deadline", math.inf))
    ready = _ready_on_loop if in_greenlet() else _ready
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        remaining = deadline - time.monotonic()
        reading = state == psycopg2.extensions.POLL_READ
        if remaining <= 0 or not ready(connection.fileno(), reading, remaining):
            # psycopg2 closes the connection when this is raised.
            raise psycopg2.OperationalError("PostgreSQL did not answer in time")


_thread = threading.local()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bound all waits of psycopg2 in this thread together. Not on an event loop, whose thread all tasks share."""
    _thread.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        del _thread.deadline


def _ready(fd: int, reading: bool, seconds: float) -> bool:
    # poll, not select: with thousands of sockets open the descriptor is beyond what select takes.
    poller = select.poll()
    poller.register(fd, select.POLLIN if reading else select.POLLOUT)
    return bool(poller.poll(seconds * 1000))


def _ready_on_loop(fd: int, reading: bool, seconds: float) -> bool:
    return await_(_becomes_ready(fd, reading, seconds))


async def _becomes_ready(fd: int, reading: bool, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()

    def say(ready: bool) -> None:
        if not answer.done():
            answer.set_result(ready)

    timer = loop.call_later(seconds, say, False)
    (loop.add_reader if reading else loop.add_writer)(fd, say, True)
    try:
        return await answer
    finally:
        timer.cancel()
        (loop.remove_reader if reading else loop.remove_writer)(fd)


def in_thread(call: Callable[[], T]) -> T:
    """Return what a call returns; on an event loop run it in a thread, since it may block, as a DNS lookup does."""
    return await_(asyncio.to_thread(call)) if in_greenlet() else call()
