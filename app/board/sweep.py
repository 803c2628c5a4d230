"""The sweep: every duty of a worker that no message asks for."""

import logging
import random
import time
from collections.abc import Callable

import redis

from app.board import erase, freeze, ranks, record
from app.board.overdue import settle_overdue
from app.board.publish import publish_all
from app.board.vetting import suspend_whom_due
from app.board.worker import Desk
from app.domain.errors import DatabaseUnavailable
from config import queues
from db import expiry, outbox
from db.redis import WORKER_SEEN_KEY, WORKER_SEEN_TTL
from db.transaction import TimedOut, in_transaction
from telemetry import logs

log = logging.getLogger("scoreboard.settle")

BEGIN_WITHIN = 2.5
"""Seconds in which a sweep begins its duties. The last one may take as long as the worker's statement timeout, and a
task is killed at its time limit."""


def run_duties(desk: Desk) -> None:
    """Settle what is overdue, freeze and publish boards; suspend, cancel, forget and thin what is due for it.

    Each duty fails by itself. After the first three they run in random order, so that one that always takes all of the
    time can't keep the same others from ever running.
    """
    try:
        desk.publisher.client.set(WORKER_SEEN_KEY, b"1", ex=WORKER_SEEN_TTL)
    except redis.RedisError as error:
        log.warning("Redis is away: %s", error)
    deadline = time.monotonic() + BEGIN_WITHIN
    for name, duty in [*_FIRST_DUTIES.items(), *random.sample(list(_OTHER_DUTIES.items()), len(_OTHER_DUTIES))]:
        if time.monotonic() > deadline:
            log.warning("sweep: no time was left for: %s", name)
            continue
        try:
            duty(desk)
        except TimedOut as error:
            log.warning("sweep: %s took too long, the next sweep tries again: %s", name, error)
        except DatabaseUnavailable as error:
            log.warning("PostgreSQL is away, the next sweep tries again: %s", error)
            return
        except Exception:
            log.exception("sweep: %s failed", name)


def _cancel_expired(desk: Desk) -> None:
    limits = {name: rule.max_seconds for name, rule in desk.rules.items() if rule.max_seconds is not None}
    for action_id in in_transaction(desk.engine, lambda conn: expiry.cancel_expired(conn, limits, limit=queues.BATCH)):
        logs.event(log, logs.ACTION_EXPIRED, actionId=action_id)


_FIRST_DUTIES: dict[str, Callable[[Desk], object]] = {
    "settling what is overdue": settle_overdue,
    "freezing boards": lambda desk: in_transaction(desk.engine, lambda conn: freeze.keep(conn, desk.board_rules)),
    "publishing the board": lambda desk: publish_all(desk.hot, desk.publisher, desk.board_rules),
}
_OTHER_DUTIES: dict[str, Callable[[Desk], object]] = {
    "marking what is settled": lambda desk: in_transaction(desk.engine, outbox.advance_mark),
    "suspending who is due": lambda desk: suspend_whom_due(desk.engine, desk.board_rules, desk.vetting),
    "cancelling what expired": _cancel_expired,
    "tending the ranks": lambda desk: ranks.tend(desk.engine),
    "forgetting what is too old": lambda desk: erase.forget(desk.engine, client_ip_days=desk.client_ip_days),
    "thinning the record": lambda desk: record.thin(desk.engine),
}
