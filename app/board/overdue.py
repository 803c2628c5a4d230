"""Settling what no message has settled: it was lost, or an attempt at it failed.

An action has five attempts and is set aside after them, so that one that fails each time, or kills its worker, can't
hold up the others. Source: docs/decisions/0001-do-not-count-the-first-attempt-at-settling.md.
"""

import contextlib
import logging
import time
from collections.abc import Sequence

import redis
import sqlalchemy as sa

from app.board import settle
from app.board.worker import Desk, count, settle_batch
from app.domain.errors import DatabaseUnavailable
from app.domain.ids import ActionId
from config import queues
from db import outbox
from db.redis import TO_RESTORE_KEY, TO_RESTORE_TTL
from db.transaction import LockTimedOut, TimedOut, in_statement, in_transaction, pgcode
from telemetry import metrics

log = logging.getLogger("scoreboard.settle")

OVERDUE = 2.0
"""Seconds after its completion at which an action counts as overdue: its message was lost."""

SWEEP_FOR = 1.7
"""Seconds during which one sweep begins new batches: most of the two until the next sweep, so that a backlog after an
outage is settled at half the usual rate or faster."""

SLOW = 0.25
"""Seconds beyond which the database counts as slow, for a query that should take a millisecond."""

FEW = 20
"""Up to this number, untried actions are settled one by one, so that one that hangs doesn't hold up others."""

FOREIGN_KEY_VIOLATION = "23503"


def settle_overdue(desk: Desk) -> None:
    """Settle overdue actions: many that are untried as one batch, the others one by one."""
    deadline = time.monotonic() + SWEEP_FOR
    more = True
    while more and time.monotonic() < deadline:
        overdue = in_statement(desk.engine, lambda conn: outbox.overdue(conn, age=OVERDUE, limit=queues.BATCH))
        untried = [action_id for action_id, attempts in overdue if attempts == 0]
        if len(untried) > FEW:
            more = _attempt(desk, untried)  # False: another worker has them
        else:
            _settle_one_by_one(desk, overdue, deadline)
            more = len(overdue) == queues.BATCH


def _settle_one_by_one(desk: Desk, overdue: Sequence[tuple[ActionId, int]], deadline: float) -> None:
    """Settle actions one by one, those with the fewest attempts first: one that kills its process fails alone."""
    for action_id, attempts in overdue:
        if time.monotonic() > deadline:
            return
        if attempts < settle.MAX_ATTEMPTS:
            _attempt(desk, [action_id])
        else:
            _set_aside(desk, action_id)


def _attempt(desk: Desk, action_ids: Sequence[ActionId]) -> bool:
    """Commit the attempt, then settle the actions, so that an action that kills its worker runs out of attempts.

    Returns:
        Whether there was anything to try.
    """
    if not in_transaction(desk.engine, lambda conn: outbox.count_attempt(conn, action_ids)):
        return False
    try:
        settle_batch(desk, action_ids)
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
    except Exception as error:
        # Each of them is tried again alone, until it runs out of attempts; the others must not wait for that.
        log.exception("settling %d actions failed", len(action_ids))
        # No action is at fault for a board without a row: the release process was given another file of boards.
        if isinstance(error, sa.exc.DBAPIError) and pgcode(error) == FOREIGN_KEY_VIOLATION:
            _restore_last_attempt(desk, action_ids)
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
    """Take back an attempt that the database has spoiled, from those actions for which it was the last one.

    Other attempts stay counted: they only put an action behind those that were tried less often.
    """
    try:
        in_transaction(
            desk.engine, lambda conn: outbox.restore_last_attempt(conn, action_ids, max_attempts=settle.MAX_ATTEMPTS)
        )
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
        settled = in_transaction(desk.hot, lambda conn: settle.set_aside(conn, desk.board_rules, action_id))
        count(settled)
        metrics.actions_set_aside.inc(settled.held)
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("setting action %s aside failed", action_id)
