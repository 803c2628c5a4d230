"""The audit: counts the violations of each invariant. Source: docs/architecture.md, "Invariants"."""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import redis
import sqlalchemy as sa

from app.board import ranks
from app.board.publish import read
from app.board.worker import Desk
from app.domain import messages
from app.domain.board_rules import BoardRule, BoardRules
from app.domain.errors import DatabaseUnavailable
from app.domain.ids import UserId, is_id
from db import freezes, invariants, marks, partitions, rank_blocks
from db.redis import AUDIT_CURSOR_KEY, AUDIT_RESULT_KEY, AUDIT_RESULT_TTL, Publisher, top_scores_key
from db.transaction import TimedOut, in_statement, in_transaction
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.audit")

EVER = 24 * 366 * 100
"""Hours that stand for "no time limit"."""

RECENT = 48
"""Hours after the end of a period within which the worker checks its rows: later only corrections change them."""

USERS_A_MINUTE = 1000
USERS_AT_ONCE = 100
USERS_FOR, SUMS_FOR = 0.5, 0.5
"""Seconds during which one audit takes up further users, and seconds that their sums may take."""

QUIET = 2.0
"""Seconds for which the key may differ from the board while a publish is in progress."""


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant: how many violations were found."""

    name: str
    violations: int


def audit(conn: sa.Connection, rules: BoardRules) -> list[Check]:
    """Check every invariant of the database in one snapshot; must be the transaction's first statements."""
    _snapshot(conn)
    return [
        Check("total-scores", invariants.wrong_totals(conn)),
        _standings(conn, rules),
        _scored_once(conn, hours=EVER),
        _top_scores(conn, rules, hours=EVER),
        _ranks(conn),
        _outbox(conn),
    ]


def audit_users(
    conn: sa.Connection, rules: BoardRules, after: UserId | None, *, limit: int
) -> tuple[list[Check], UserId | None]:
    """Check the sums of the `limit` users whose ids come after `after`, in one snapshot.

    Returns:
        The checks, and the last of these users; None when there are no more.
    """
    _snapshot(conn)
    conn.execute(sa.text(f"SET LOCAL statement_timeout = {SUMS_FOR * 1000:.0f}"))
    user_ids = invariants.users_after(conn, after, limit=limit)
    checks = [
        Check("total-scores", invariants.wrong_totals(conn, user_ids)),
        _standings(conn, rules, user_ids),
    ]
    return checks, user_ids[-1] if len(user_ids) == limit else None


def watch(desk: Desk) -> None:
    """Run the cheap checks and those of the next users in rotation; log and count every violation.

    The checks are independent: one that can't finish doesn't hide the others, and is counted as unchecked. The results
    are kept in Redis for operators.
    """
    found: list[Check] = []
    for names, look in LOOKS.items():
        try:
            checks = look(desk)
        except (redis.RedisError, DatabaseUnavailable) as error:
            log.warning("audit: %s could not be checked: %s", ", ".join(names), error)
            checks = []
        for name in names:
            metrics.invariant_unchecked.labels(name).set(name not in {check.name for check in checks})
        found += checks
    for check in found:
        metrics.invariant_violations.labels(check.name).set(check.violations)
        if check.violations:
            logs.event(log, logs.INVARIANT_VIOLATED, logging.ERROR, name=check.name, violations=check.violations)
    if any(check.name == "outbox" and check.violations for check in found):
        with contextlib.suppress(DatabaseUnavailable):
            in_statement(desk.engine, lambda conn: marks.forget(conn, marks.OUTBOX))
    with contextlib.suppress(redis.RedisError):
        result = msgspec.json.encode([[check.name, check.violations] for check in found])
        desk.publisher.client.set(AUDIT_RESULT_KEY, result, ex=AUDIT_RESULT_TTL)


def last_result(publisher: Publisher) -> tuple[list[Check], int] | None:
    """Return the result of the worker's last audit and its age in seconds by Redis's clock; None if there is none."""
    try:
        with publisher.client.pipeline() as both:
            both.get(AUDIT_RESULT_KEY)
            both.ttl(AUDIT_RESULT_KEY)
            stored, left = both.execute()
    except redis.RedisError:
        return None
    if stored is None:
        return None
    checks = [Check(name, violations) for name, violations in msgspec.json.decode(stored, type=list[tuple[str, int]])]
    return checks, AUDIT_RESULT_TTL - int(left)


def _alone(check: Callable[[sa.Connection, Desk], Check]) -> Callable[[Desk], list[Check]]:
    def look(desk: Desk) -> list[Check]:
        def in_snapshot(conn: sa.Connection) -> list[Check]:
            _snapshot(conn)
            return [check(conn, desk)]

        return in_transaction(desk.engine, in_snapshot)

    return look


def _next_users(desk: Desk) -> list[Check]:
    """Check users for a bounded time, from where the last audit stopped, and store where this one did."""
    cursor = desk.publisher.client.get(AUDIT_CURSOR_KEY)
    text = cursor.decode(errors="replace") if isinstance(cursor, bytes) else ""
    after = UserId(text) if is_id(text) else None
    found: Counter[str] = Counter()
    deadline = time.monotonic() + USERS_FOR
    left, at_once = USERS_A_MINUTE, USERS_AT_ONCE
    while left > 0 and time.monotonic() < deadline:
        limit = min(left, at_once)
        try:
            checks, after = in_transaction(
                desk.engine, partial(audit_users, rules=desk.board_rules, after=after, limit=limit)
            )
        except TimedOut:
            if limit > 1:
                at_once = 1  # one of them has very many actions: check the others without that one
                continue
            checks, after = [], in_transaction(desk.engine, partial(_skip, after=after))
        for check in checks:
            found[check.name] += check.violations
        left -= limit
        desk.publisher.client.set(AUDIT_CURSOR_KEY, after or "")
        if after is None:
            break
    return [Check(name, violations) for name, violations in found.items()]


def _skip(conn: sa.Connection, after: UserId | None) -> UserId | None:
    """Return the next user, whose sums take too long for this audit, so that the audit goes on behind that user."""
    user_ids = invariants.users_after(conn, after, limit=1)
    for user_id in user_ids:
        log.warning("the sums of user %s take too long for this audit: bin/manage audit checks them", user_id)
    return user_ids[-1] if user_ids else None


def _snapshot(conn: sa.Connection) -> None:
    # The lock before the snapshot: or else a month might be archived in between, and its points be nowhere to be seen.
    conn.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    partitions.hold(conn)


def _scored_once(conn: sa.Connection, *, hours: int = 1) -> Check:
    return Check("scored-once", invariants.wrong_settlements(conn, hours=hours))


def _standings(conn: sa.Connection, rules: BoardRules, user_ids: Sequence[UserId] | None = None) -> Check:
    wrong = sum(invariants.wrong_standings(conn, rule, user_ids) for rule in rules.values())
    return Check("standings", wrong + invariants.wrong_marks(conn, user_ids))


def _top_scores(conn: sa.Connection, rules: BoardRules, *, hours: int = RECENT) -> Check:
    wrong = invariants.wrong_top(conn, rules, hours=hours) + freezes.wrong_rows(conn, rules)
    return Check("top-scores", wrong)


def _ranks(conn: sa.Connection) -> Check:
    return Check("ranks", sum(ranks.wrong(conn, board_id) for board_id in rank_blocks.boards(conn)))


def _outbox(conn: sa.Connection) -> Check:
    return Check("outbox", invariants.unsettled(conn, age=10.0))


def published(engine: sa.Engine, publisher: Publisher, rules: BoardRules) -> list[Check]:
    """Compare each board's key with the board: the newest message, and the same bytes for the same version."""
    deadline = time.monotonic() + QUIET
    try:
        found = [_published(engine, publisher, rule, deadline) for rule in rules.values()]
    except redis.RedisError:
        return []  # not checked: Redis is away, which is no fault of the scores
    behind, differ = (sum(counts) for counts in zip(*found, strict=True))
    return [Check("published", behind), Check("versions", differ)]


def _published(engine: sa.Engine, publisher: Publisher, rule: BoardRule, deadline: float) -> tuple[bool, bool]:
    """Return whether a board's key is behind, and whether it holds other bytes for the same version."""
    while True:
        board = read(engine, rule, publisher.signer)
        stored = publisher.client.get(top_scores_key(rule.id))
        found = messages.read_update(stored, publisher.signer) if stored else None
        same_version = found is not None and found.stamp == board.stamp
        behind = found is None or found.content != board.content
        if not behind or time.monotonic() > deadline:
            return behind, same_version and behind
        time.sleep(0.1)


LOOKS: dict[tuple[str, ...], Callable[[Desk], list[Check]]] = {
    ("scored-once",): _alone(lambda conn, _: _scored_once(conn)),
    ("top-scores",): _alone(lambda conn, desk: _top_scores(conn, desk.board_rules)),
    ("ranks",): _alone(lambda conn, _: Check("ranks", ranks.wrong_of_some(conn))),
    ("outbox",): _alone(lambda conn, _: _outbox(conn)),
    ("published", "versions"): lambda desk: published(desk.engine, desk.publisher, desk.board_rules),
    ("total-scores", "standings"): _next_users,
}
NAMES = frozenset(name for names in LOOKS for name in names)
"""The names of all checks that the worker runs."""
