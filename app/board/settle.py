"""Settles completed actions: judges each, and adds what is cleared to the standings, and to the boards.

Lock order: actions, standings, boards. Source: docs/architecture.md, "A completion, step by step".
"""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa

from app.board import top
from app.board.top import Refreshed
from app.board.vetting import Vetting, crowds, judge
from app.domain import fraud, periods
from app.domain.board_rules import BoardRules
from app.domain.counting import earned
from app.domain.fraud import Facts, Verdict
from app.domain.ids import ActionId, BoardId, UserId
from db import audit_events, outbox
from telemetry import logs

log = logging.getLogger("scoreboard.settle")

MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Settled:
    """What one transaction has settled: how many actions were cleared, and the rule and user of each held one.

    `boards` are the rows of boards that it has changed.
    """

    cleared: int = 0
    held_by: tuple[str, ...] = ()
    held_of: frozenset[UserId] = frozenset()
    boards: dict[BoardId, Refreshed] = field(default_factory=dict, compare=False)

    @property
    def held(self) -> int:
        return len(self.held_by)


def settle(conn: sa.Connection, rules: BoardRules, action_ids: Iterable[ActionId], vetting: Vetting) -> Settled:
    """Settle those of the actions that are not settled yet. Running twice, or late, does no harm."""
    moment = datetime.now(UTC)  # this host's clock, which only guesses
    likely = [periods.shown(rule, moment).id for rule in rules.values()]
    claimed, known = outbox.claim_and_look(conn, action_ids, likely, crowds(conn, vetting))
    if not claimed:
        return Settled()
    return _write(conn, rules, judge(conn, claimed, vetting), known)


def set_aside(
    conn: sa.Connection, rules: BoardRules, action_id: ActionId, verdict: Verdict = fraud.UNSETTLEABLE
) -> Settled:
    """Hold an action that can't be settled, in `MAX_ATTEMPTS` attempts or ever, so that it stops being tried."""
    claimed = outbox.claim(conn, [action_id])
    if not claimed:
        return Settled()
    log.error("action %s can't be settled and is set aside: %s", action_id, verdict.reason)
    return _write(conn, rules, [(facts, verdict) for facts in claimed])


def _write(
    conn: sa.Connection, rules: BoardRules, judged: list[tuple[Facts, Verdict]], known: Collection[BoardId] = ()
) -> Settled:
    settlements = [(facts.action_id, "held" if verdict.held else "cleared") for facts, verdict in judged]
    outbox.mark_settled_with_next(conn, settlements)
    held = [(facts, verdict) for facts, verdict in judged if verdict.held]
    for facts, verdict in held:
        _record(conn, facts, verdict)
    changed = top.add(conn, rules, earned(rules, [facts for facts, verdict in judged if not verdict.held]), known)
    return Settled(
        cleared=len(judged) - len(held),
        held_by=tuple(verdict.rule for _, verdict in held),
        held_of=frozenset(facts.user_id for facts, _ in held),
        boards=changed,
    )


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
