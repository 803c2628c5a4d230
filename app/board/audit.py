"""The invariants, each counted by its violations. Source: docs/architecture.md, "Invariants"."""

import logging
import time
from dataclasses import dataclass

import redis
import sqlalchemy as sa

from app.board.publish import read
from app.board.settling import Desk
from app.domain import messages
from app.domain.errors import DatabaseUnavailable
from app.domain.ids import ALL_TIME, UserId
from config import logs, metrics
from db import invariants
from db.redis import AUDIT_CURSOR_KEY, Publisher, top_scores_key
from db.transaction import in_transaction

log = logging.getLogger("scoreboard.audit")

EVER = 24 * 366 * 100
"""Hours within which everything has happened."""

USERS_A_MINUTE = 1000

QUIET = 2.0
"""Seconds for which key and board may differ: a publish is under way."""


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant: how many violations were found."""

    name: str
    violations: int


def audit(conn: sa.Connection) -> list[Check]:
    """Check everything that the database can tell, in one snapshot. The transaction must not have begun otherwise."""
    _snapshot(conn)
    return [
        Check("total-scores", invariants.wrong_totals(conn)),
        Check("standings", invariants.wrong_standings(conn, ALL_TIME)),
        *_cheap(conn, hours=EVER),
    ]


def audit_some(conn: sa.Connection, after: UserId | None, *, most: int) -> tuple[list[Check], UserId | None]:
    """Check what is cheap, and the sums of the `most` users whose ids come after `after`, in one snapshot.

    Returns:
        The checks, and the last of these users; None when there are no more.
    """
    _snapshot(conn)
    user_ids = invariants.users_after(conn, after, most=most)
    checks = [
        Check("total-scores", invariants.wrong_totals(conn, user_ids)),
        Check("standings", invariants.wrong_standings(conn, ALL_TIME, user_ids)),
        *_cheap(conn, hours=1),
    ]
    return checks, user_ids[-1] if len(user_ids) == most else None


def watch(desk: Desk) -> None:
    """Check what is cheap and the next users in rotation, and raise the alarm for every violation."""
    try:
        cursor = desk.publisher.client.get(AUDIT_CURSOR_KEY)
        after = UserId(cursor.decode()) if isinstance(cursor, bytes) and cursor else None
        checks, last = in_transaction(desk.engine, lambda conn: audit_some(conn, after, most=USERS_A_MINUTE))
        desk.publisher.client.set(AUDIT_CURSOR_KEY, last or "")
        checks += published(desk.engine, desk.publisher)
    except (redis.RedisError, DatabaseUnavailable) as error:
        log.warning("the audit is left to the next minute: %s", error)
        return
    for check in checks:
        metrics.invariant_violations.labels(check.name).set(check.violations)
        if check.violations:
            logs.event(log, logs.INVARIANT_VIOLATED, logging.ERROR, name=check.name, violations=check.violations)


def _snapshot(conn: sa.Connection) -> None:
    conn.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


def _cheap(conn: sa.Connection, *, hours: int) -> list[Check]:
    return [
        Check("scored-once", invariants.wrong_settlements(conn, hours=hours)),
        Check("top-scores", invariants.wrong_top(conn, ALL_TIME)),
        Check("outbox", invariants.unsettled(conn, age=10.0)),
    ]


def published(engine: sa.Engine, publisher: Publisher) -> list[Check]:
    """Compare the key with the board: the newest message, and the same bytes for the same version."""
    deadline = time.monotonic() + QUIET
    while True:
        board = read(engine, ALL_TIME, publisher.signer)
        try:
            stored = publisher.client.get(top_scores_key(ALL_TIME))
        except redis.RedisError:
            return []  # nothing can be said, and nothing is wrong with the scores
        found = messages.read_update(stored, publisher.signer) if stored else None
        same_version = found is not None and found.stamp == board.stamp
        behind = found is None or found.content != board.content
        if not behind or time.monotonic() > deadline:
            return [Check("published", int(behind)), Check("versions", int(same_version and behind))]
        time.sleep(0.1)
