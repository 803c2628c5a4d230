"""What a worker does: settle what a message names, and sweep up what no message reached.

Every transaction that the worker makes is opened here. Messages may be lost, late or doubled; the database knows what
is left to do.
"""

import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import redis
import sqlalchemy as sa

from app.board import erase, settle
from app.board.publish import publish
from app.board.vetting import Vetting, suspend_of_these, suspend_whom_due
from app.domain.errors import DatabaseUnavailable
from app.domain.ids import DEFAULT_BOARD, ActionId
from app.domain.scoring import ScoringRules
from config import queues
from db import actions, outbox
from db.redis import TO_RESTORE_KEY, TO_RESTORE_TTL, WORKER_SEEN_KEY, WORKER_SEEN_TTL, Publisher
from db.transaction import LockTimedOut, TimedOut, in_statement, in_transaction
from telemetry import logs, metrics, tracing

log = logging.getLogger("scoreboard.settle")

OVERDUE = 2.0
"""Seconds after its completion at which an action counts as forgotten by the queue."""

SWEEP_FOR = 1.7
"""Seconds that one sweep goes on beginning new batches: most of the two until the next one, so that what an outage left
is settled at half the rate of messages at least."""

SLOW = 0.25
"""Seconds over which the database counts as slow at a query that should take a millisecond."""

BEGIN_WITHIN = 2.5
"""Seconds in which a sweep begins its duties. The last one may take as long as the worker's statement timeout, and a
task is killed at its time limit."""

FEW = 20
"""Up to so many untried actions are settled one by one: an action that hangs then holds up no others."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker process works with: the stores, the rules, and for how many days it keeps addresses."""

    engine: sa.Engine
    publisher: Publisher
    rules: ScoringRules
    vetting: Vetting
    client_ip_days: int = 30


def settle_and_publish(desk: Desk, action_ids: Sequence[ActionId]) -> None:
    """Settle actions that were just completed, then publish the board, also when there was nothing to settle."""
    for first in range(0, len(action_ids), queues.BATCH):
        batch = action_ids[first : first + queues.BATCH]
        try:
            _settle_batch(desk, batch)
        except DatabaseUnavailable as error:
            log.warning("%d actions are left to the sweep: %s", len(batch), error)
            return
        except Exception:
            log.exception("settling %d actions failed, they are left to the sweep", len(batch))
    try:
        with tracing.step("publish"):
            publish(desk.engine, desk.publisher, DEFAULT_BOARD)
    except DatabaseUnavailable as error:
        log.warning("publishing is left to the sweep: %s", error)


def sweep(desk: Desk) -> None:
    """Settle what is overdue, publish the board, suspend who is due, cancel what expired and forget what is too old.

    Each duty fails by itself. After the first two they come in random order: one that takes all the time, each time,
    must not keep the same others from ever running.
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
    for action_id in in_transaction(desk.engine, lambda conn: actions.cancel_expired(conn, limits, limit=queues.BATCH)):
        logs.event(log, logs.ACTION_EXPIRED, actionId=action_id)


def _settle_overdue(desk: Desk) -> None:
    """Settle what the queue forgot: many untried actions as one batch, the others one by one."""
    deadline = time.monotonic() + SWEEP_FOR
    more = True
    while more and time.monotonic() < deadline:
        overdue = in_statement(desk.engine, lambda conn: outbox.overdue(conn, age=OVERDUE, most=queues.BATCH))
        untried = [action_id for action_id, attempts in overdue if attempts == 0]
        if len(untried) > FEW:
            more = _attempt(desk, untried)  # False: another worker has them
        else:
            _settle_one_by_one(desk, overdue, deadline)
            more = len(overdue) == queues.BATCH


def _settle_one_by_one(desk: Desk, overdue: Sequence[tuple[ActionId, int]], deadline: float) -> None:
    """Settle actions each by itself, the least tried first: one that fails, or kills its process, fails alone."""
    for action_id, attempts in overdue:
        if time.monotonic() > deadline:
            return
        if attempts < settle.MAX_ATTEMPTS:
            _attempt(desk, [action_id])
        else:
            _set_aside(desk, action_id)


def _attempt(desk: Desk, action_ids: Sequence[ActionId]) -> bool:
    """Settle actions after the attempt was committed, so that an action that kills its worker runs out of attempts.

    Returns:
        Whether there was anything to try.
    """
    if not in_transaction(desk.engine, lambda conn: outbox.count_attempt(conn, action_ids)):
        return False
    try:
        _settle_batch(desk, action_ids)
    except TimedOut as error:
        log.warning("settling %d actions took too long, the next sweep tries again", len(action_ids))
        # Only an action that takes too long alone, in a healthy database and without waiting for a lock, is at fault.
        if len(action_ids) > 1 or isinstance(error, LockTimedOut) or _database_is_slow(desk):
            _restore_last_attempt(desk, action_ids)
    except DatabaseUnavailable:
        # The action may be at fault: one that hangs beyond the server's timeouts looks like a database that is away.
        if _database_is_slow(desk):
            _restore_last_attempt(desk, action_ids)
        raise
    except Exception:
        # Each of them is tried again alone, until it runs out of attempts; the others must not wait for that.
        log.exception("settling %d actions failed", len(action_ids))
    return True


def _database_is_slow(desk: Desk) -> bool:
    """Return whether a query that should take a millisecond is slow as well, or fails."""
    began = time.monotonic()
    try:
        in_statement(desk.engine, outbox.settle_lag)
    except DatabaseUnavailable:
        return True
    return time.monotonic() - began > SLOW


def _restore_last_attempt(desk: Desk, action_ids: Sequence[ActionId]) -> None:
    """Take back the attempt, which the database has spoiled, of those actions for which it was the last one.

    Other attempts stay counted: they put an action behind those that were tried less often, and no more.
    """
    most = settle.MAX_ATTEMPTS
    try:
        in_transaction(desk.engine, lambda conn: outbox.restore_last_attempt(conn, action_ids, most=most))
    except DatabaseUnavailable:
        # Redis remembers it for whichever worker would set one of them aside. With both away it is forgotten.
        with contextlib.suppress(redis.RedisError), desk.publisher.client.pipeline() as both:
            both.sadd(TO_RESTORE_KEY, *action_ids)
            both.expire(TO_RESTORE_KEY, TO_RESTORE_TTL)
            both.execute()
        raise


def _restore_if_due(desk: Desk, action_id: ActionId) -> bool:
    """Take back an action's last attempt if the database was away when that was due; return whether it was."""
    with contextlib.suppress(redis.RedisError):
        if desk.publisher.client.sismember(TO_RESTORE_KEY, action_id):
            _restore_last_attempt(desk, [action_id])
            desk.publisher.client.srem(TO_RESTORE_KEY, action_id)
            return True
    return False


def _set_aside(desk: Desk, action_id: ActionId) -> None:
    """Hold an action that has run out of attempts, unless its last one is still to be taken back."""
    try:
        if _restore_if_due(desk, action_id):
            return
        settled = in_transaction(desk.engine, lambda conn: settle.set_aside(conn, action_id))
        _count(settled)
        metrics.actions_set_aside.inc(settled.held)
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("setting action %s aside failed", action_id)


def _settle_batch(desk: Desk, action_ids: Sequence[ActionId]) -> None:
    """Settle actions in one transaction, and suspend whoever is due after it."""
    settled = in_transaction(desk.engine, lambda conn: settle.settle(conn, action_ids, desk.vetting))
    _count(settled)
    if settled.cleared:
        logs.event(log, logs.SCORE_UPDATED, cleared=settled.cleared, held=settled.held)
    if settled.held:
        try:
            suspend_of_these(desk.engine, desk.vetting, settled.held_of)
        except DatabaseUnavailable as error:
            log.warning("suspending is left to the sweep: %s", error)


def _count(settled: settle.Settled) -> None:
    metrics.score_updated.inc(settled.cleared)
    metrics.fraud_verdicts.labels("cleared", "none").inc(settled.cleared)
    for rule in settled.held_by:
        metrics.fraud_verdicts.labels("held", rule).inc()


_FIRST_DUTIES: dict[str, Callable[[Desk], object]] = {
    "settling what is overdue": _settle_overdue,
    "publishing the board": lambda desk: publish(desk.engine, desk.publisher, DEFAULT_BOARD),
}
_OTHER_DUTIES: dict[str, Callable[[Desk], object]] = {
    "marking what is settled": lambda desk: in_transaction(desk.engine, outbox.advance_mark),
    "suspending who is due": lambda desk: suspend_whom_due(desk.engine, desk.vetting),
    "cancelling what expired": _cancel_expired,
    "forgetting what is too old": lambda desk: erase.forget(desk.engine, client_ip_days=desk.client_ip_days),
}
