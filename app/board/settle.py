"""Settles completed actions: judges each, and adds cleared points to the standings and the board.

Lock order: actions, standings, boards. Source: docs/architecture.md, "A completion, step by step".
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.board import top
from app.board.vetting import Vetting, judge
from app.domain import fraud
from app.domain.fraud import Facts, Verdict
from app.domain.ids import ActionId, BoardId, UserId
from db import audit_events, outbox
from telemetry import logs

log = logging.getLogger("scoreboard.settle")

MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Settled:
    """What one transaction has settled: how many actions were cleared, and the rule and user of each held one."""

    cleared: int = 0
    held_by: tuple[str, ...] = ()
    held_of: frozenset[UserId] = frozenset()

    @property
    def held(self) -> int:
        return len(self.held_by)


def settle(
    conn: sa.Connection, board_ids: Sequence[BoardId], action_ids: Iterable[ActionId], vetting: Vetting
) -> Settled:
    """Settle those of the actions that are not settled yet. Running twice, or late, does no harm."""
    claimed = outbox.claim(conn, action_ids)
    if not claimed:
        return Settled()
    return _write(conn, board_ids, judge(conn, claimed, vetting))


def set_aside(conn: sa.Connection, board_ids: Sequence[BoardId], action_id: ActionId) -> Settled:
    """Hold an action that could not be settled in `MAX_ATTEMPTS` attempts, so that it stops being tried."""
    claimed = outbox.claim(conn, [action_id])
    if not claimed:
        return Settled()
    log.error("action %s can't be settled and is set aside", action_id)
    return _write(conn, board_ids, [(facts, fraud.UNSETTLEABLE) for facts in claimed])


def _write(conn: sa.Connection, board_ids: Sequence[BoardId], judged: list[tuple[Facts, Verdict]]) -> Settled:
    settlements = [(facts.action_id, "held" if verdict.held else "cleared") for facts, verdict in judged]
    outbox.mark_settled_with_next(conn, settlements)
    held = [(facts, verdict) for facts, verdict in judged if verdict.held]
    for facts, verdict in held:
        _record(conn, facts, verdict)
    earned = _sum(facts for facts, verdict in judged if not verdict.held)
    if earned:
        top.add(conn, board_ids, earned)
    return Settled(
        cleared=len(judged) - len(held),
        held_by=tuple(verdict.rule for _, verdict in held),
        held_of=frozenset(facts.user_id for facts, _ in held),
    )


def _sum(cleared: Iterable[Facts]) -> list[tuple[UserId, int, datetime]]:
    """Sum points by user; an action for 0 points changes neither the score nor the time at which it was reached."""
    points: defaultdict[UserId, int] = defaultdict(int)
    reached: dict[UserId, datetime] = {}
    for facts in cleared:
        if facts.points:
            points[facts.user_id] += facts.points
            reached[facts.user_id] = max(facts.end_at, reached.get(facts.user_id, facts.end_at))
    return sorted((user_id, points[user_id], reached[user_id]) for user_id in points)


def _record(conn: sa.Connection, facts: Facts, verdict: Verdict) -> None:
    audit_events.record(
        conn,
        "held",
        actor="system",
        user_id=facts.user_id,
        action_id=facts.action_id,
        points=facts.points,
        reason=verdict.reason,
        rule=verdict.rule,
        facts=dict(verdict.facts),
    )
    logs.event(
        logs.security,
        logs.FRAUD_HELD,
        logging.WARNING,
        actionId=facts.action_id,
        userId=facts.user_id,
        points=facts.points,
        rule=verdict.rule,
        reason=verdict.reason,
    )
