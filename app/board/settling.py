"""What a worker does: settle what a message names, and sweep up what no message reached.

Every transaction that the worker makes is opened here. Messages may be lost, late or doubled; the database knows what
is left to do.
"""

import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
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
from db.redis import FORGIVEN_KEY, FORGIVEN_TTL, WORKER_SEEN_KEY, WORKER_SEEN_TTL, Publisher
from db.transaction import TimedOut, in_statement, in_transaction, pgcode
from telemetry import logs, metrics, tracing

log = logging.getLogger("scoreboard.settle")

OVERDUE = 2.0
"""Seconds after its completion at which an action counts as forgotten by the queue."""

SWEEP_FOR = 1.5
"""Seconds that one sweep goes on beginning new batches."""

SLOW = 0.25
"""Seconds over which the database counts as slow at a question that should take a millisecond."""

LOCK_NOT_AVAILABLE = "55P03"
"""The SQLSTATE of a lock that was not given in time."""

BEGIN_WITHIN = 2.5
"""Seconds in which a sweep begins its duties. One more may take the worker's statement timeout, and a task that takes
longer than its limit is killed."""

FEW = 20
"""Forgotten actions that are settled one at a time from the start: one that hangs then holds up no others."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker process works with: the stores, the rules, and for how many days it keeps addresses."""

    engine: sa.Engine
    publisher: Publisher
    rules: ScoringRules
    vetting: Vetting
    client_ip_days: int = 30


def settle_now(desk: Desk, action_ids: Sequence[ActionId]) -> None:
    """Settle actions that were just completed, then publish the board, also when there was nothing to settle."""
    for first in range(0, len(action_ids), queues.BATCH):
        batch = action_ids[first : first + queues.BATCH]
        try:
            _settle(desk, batch)
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
    deadline = time.monotonic() + SWEEP_FOR
    while time.monotonic() < deadline:
        overdue = in_statement(desk.engine, lambda conn: outbox.overdue(conn, age=OVERDUE, most=queues.BATCH))
        if not overdue:
            return
        fresh = [action_id for action_id, attempts in overdue if attempts == 0]
        if len(fresh) > FEW:
            if not _attempt(desk, fresh):
                return  # another worker has them
            continue
        # An attempt at the others has failed before, and may have killed its process: each goes alone, least tried
        # first.
        for action_id, attempts in overdue:
            if time.monotonic() > deadline:
                return
            if attempts < settle.MAX_ATTEMPTS:
                _attempt(desk, [action_id])
            else:
                _set_aside(desk, action_id)
        if len(overdue) < queues.BATCH:
            return


def _attempt(desk: Desk, action_ids: Sequence[ActionId]) -> bool:
    """Settle actions after an attempt at each is on record, so that one that kills its worker is found out.

    Returns:
        Whether there was anything to try.
    """
    if not in_transaction(desk.engine, lambda conn: outbox.count_attempt(conn, action_ids)):
        return False
    try:
        _settle(desk, action_ids)
    except TimedOut as error:
        log.warning("settling %d actions took too long, the next sweep tries again", len(action_ids))
        # An action that takes too long by itself is set aside in the end. A lock that somebody holds, a whole batch, or
        # a database that is slow at everything says nothing about it.
        if len(action_ids) > 1 or _somebody_is_in_the_way(error) or _database_is_slow(desk):
            _forgive(desk, action_ids)
    except DatabaseUnavailable:
        # An action that hangs where no timeout of the server's reaches it looks like a database that is away.
        if _database_is_slow(desk):
            _forgive(desk, action_ids)
        raise
    except Exception:
        # Whatever it is, it is tried again alone, five times at most, and must not hold up the others.
        log.exception("settling %d actions failed", len(action_ids))
    return True


def _somebody_is_in_the_way(error: TimedOut) -> bool:
    """Return whether another transaction, such as a rebuild, held a lock for too long; the work itself was not slow."""
    return isinstance(error.__cause__, sa.exc.DBAPIError) and pgcode(error.__cause__) == LOCK_NOT_AVAILABLE


def _database_is_slow(desk: Desk) -> bool:
    """Return whether a question that should take a millisecond takes long as well."""
    began = time.monotonic()
    try:
        in_statement(desk.engine, outbox.settle_lag)
    except DatabaseUnavailable:
        return True
    return time.monotonic() - began > SLOW


def _forgive(desk: Desk, action_ids: Sequence[ActionId]) -> None:
    """Take the last attempt back: nothing that the action did used it up. It keeps its place behind the others."""
    most = settle.MAX_ATTEMPTS
    try:
        in_transaction(desk.engine, lambda conn: outbox.forgive_attempt(conn, action_ids, most=most))
    except DatabaseUnavailable:
        # Redis remembers it, for whichever worker would set one of them aside. With both away, that happens.
        with contextlib.suppress(redis.RedisError), desk.publisher.client.pipeline() as both:
            both.sadd(FORGIVEN_KEY, *action_ids)
            both.expire(FORGIVEN_KEY, FORGIVEN_TTL)
            both.execute()
        raise


def _was_forgiven(desk: Desk, action_id: ActionId) -> bool:
    """Take back the last attempt at an action if that could not be written when the database had spoiled it."""
    with contextlib.suppress(redis.RedisError):
        if desk.publisher.client.sismember(FORGIVEN_KEY, action_id):
            _forgive(desk, [action_id])
            desk.publisher.client.srem(FORGIVEN_KEY, action_id)
            return True
    return False


def _set_aside(desk: Desk, action_id: ActionId) -> None:
    try:
        if _was_forgiven(desk, action_id):
            return
        settled = in_transaction(desk.engine, lambda conn: settle.set_aside(conn, action_id))
        _count(settled)
        metrics.actions_set_aside.inc(settled.held)
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("setting action %s aside failed", action_id)


def _settle(desk: Desk, action_ids: Iterable[ActionId]) -> None:
    ids = list(action_ids)
    settled = in_transaction(desk.engine, lambda conn: settle.settle(conn, ids, desk.vetting))
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
