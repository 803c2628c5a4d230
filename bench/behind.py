"""When a worker no longer keeps up: completions at a growing rate, and how long the oldest waits to be settled."""

import statistics
import time
from dataclasses import dataclass

import sqlalchemy as sa
from celery import Celery

from bench.population import add_standings, complete, empty, settle_lag, settled_within
from bench.row import say
from bench.stack import stack
from config import queues, settings

PLAYERS = 10_000
RATES = (500, 1000, 2000, 3000, 4000, 6000, 8000)
TICK = 0.1
"""Seconds between two messages: as far apart as the web process sends them under load."""

GIVEN_UP = 3.0
"""Seconds of lag at the end of a step after which no higher rate is tried."""


@dataclass(frozen=True)
class Step:
    """What one rate came to, in completions and seconds of lag; `least` and `most` are of its second half."""

    workers: int
    rate: float
    median: float
    least: float
    most: float
    drained: float


def behind(db: sa.Engine, seconds: int) -> list[Step]:
    """Raise the rate until the lag grows, with one worker and with two."""
    say(f"completions at {', '.join(map(str, RATES))} a second, until the workers don't keep up")
    empty(db)
    add_standings(db, PLAYERS)
    broker = Celery("bench", broker=settings.load_or_exit().broker_url, set_as_current=False)
    broker.conf.update(task_ignore_result=True, task_routes=queues.ROUTES)
    steps: list[Step] = []
    with stack() as running:
        for workers in (1, 2):
            if workers > 1:
                running.start_worker(1)
                time.sleep(4)
            for rate in RATES:
                steps.append(_step(db, broker, workers, rate, seconds))
                say(f"    {steps[-1]}")
                if steps[-1].most > GIVEN_UP:
                    break
    broker.close()
    return steps


def _step(db: sa.Engine, broker: Celery, workers: int, rate: int, seconds: int) -> Step:
    began = time.perf_counter()
    done, lags = 0, []
    while (now := time.perf_counter() - began) < seconds:
        lags.append(settle_lag(db))
        wanted = int(rate * (now + TICK)) - done
        ids = complete(db, PLAYERS, wanted)
        done += len(ids)
        for first in range(0, len(ids), queues.BATCH):
            part = ids[first : first + queues.BATCH]
            broker.send_task(queues.SETTLE, args=[part], ignore_result=True)
        time.sleep(max(0.0, TICK - (time.perf_counter() - began - now)))
    reached = done / (time.perf_counter() - began)
    second_half = lags[len(lags) // 2 :]
    return Step(workers, reached, statistics.median(lags), min(second_half), max(second_half), settled_within(db, 120))
