"""Vetting: gathers the facts of claimed actions, judges each, and suspends users with too many held actions."""

import ipaddress
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
import sqlalchemy as sa

from app.board import correct
from app.board.networks import NetworksAtRunTime
from app.domain import fraud
from app.domain.board_rules import BoardRules
from app.domain.errors import Conflict
from app.domain.fraud import Facts, FraudRules, Verdict
from app.domain.ids import ActionId, UserId
from config.values import Network
from db import addresses, fraud_facts, marks
from db.addresses import Asked
from db.outbox import Crowds
from db.transaction import TimedOut, in_statement, in_transaction
from telemetry import logs

log = logging.getLogger("scoreboard.settle")

SUSPEND_FOR = 0.5
"""Seconds during which one sweep begins to suspend further users; the next sweep finds the others."""


@dataclass(frozen=True, slots=True)
class Vetting:
    """The rules, the award of the default type in points, and the networks whose addresses don't count."""

    rules: FraudRules
    default_award: int
    trusted_networks: tuple[Network, ...] = ()
    at_run_time: NetworksAtRunTime = field(default_factory=NetworksAtRunTime)


def judge(conn: sa.Connection, claimed: Sequence[Facts], vetting: Vetting) -> list[tuple[Facts, Verdict]]:
    """Return the verdict on each claimed action."""
    known = _gather(conn, claimed, vetting)
    return [(facts, fraud.judge(facts, vetting.rules, vetting.default_award)) for facts in known]


def suspend_whom_due(engine: sa.Engine, boards: BoardRules, vetting: Vetting) -> list[UserId]:
    """Suspend the users with too many held actions, each in a transaction of its own that holds up no other."""
    rule = vetting.rules.suspend
    if rule is None:
        return []
    due, reached = in_statement(
        engine,
        lambda conn: fraud_facts.due_for_suspension(conn, held=rule.held_in_24h, excused=fraud.NOT_THE_USERS_FAULT),
    )
    suspended, all_done = _suspend_each(engine, boards, due)
    if all_done:
        in_statement(engine, lambda conn: marks.advance(conn, marks.HELD, left=reached))
    return suspended


def suspend_of_these(
    engine: sa.Engine, boards: BoardRules, vetting: Vetting, user_ids: Collection[UserId]
) -> list[UserId]:
    """Suspend those of these users who have too many held actions; the sweep finds any who are left."""
    rule = vetting.rules.suspend
    if rule is None:
        return []
    due = in_statement(
        engine,
        lambda conn: fraud_facts.due_of_these(conn, user_ids, held=rule.held_in_24h, excused=fraud.NOT_THE_USERS_FAULT),
    )
    return _suspend_each(engine, boards, due)[0]


def _suspend_each(engine: sa.Engine, boards: BoardRules, due: Mapping[UserId, int]) -> tuple[list[UserId], bool]:
    """Suspend users for a bounded time; return who was suspended, and whether all were looked at."""
    suspended, all_done = [], True
    deadline = time.monotonic() + SUSPEND_FOR
    for user_id, held in sorted(due.items()):
        if time.monotonic() > deadline:
            all_done = False
            break
        try:
            if _suspend(engine, boards, user_id, held):
                suspended.append(user_id)
        except TimedOut as error:
            log.warning("suspending a user took too long, the next sweep tries again: %s", error)
            all_done = False
    return suspended, all_done


def _suspend(engine: sa.Engine, boards: BoardRules, user_id: UserId, held: int) -> bool:
    reason = f"{held} held actions in 24 hours."
    try:
        in_transaction(engine, lambda conn: correct.suspend(conn, boards, user_id, actor="system", reason=reason))
    except Conflict:
        return False  # another process was faster
    logs.event(logs.security, logs.USER_SUSPENDED, logging.WARNING, userId=user_id, reason=reason)
    return True


def crowds(conn: sa.Connection, vetting: Vetting) -> Crowds:
    """Return what is to be counted of the addresses that actions are claimed from."""
    rule = vetting.rules.shared_ip
    if rule is None:
        return Crowds()
    return Crowds(rule.completions_per_minute + 1, (*vetting.trusted_networks, *vetting.at_run_time.read(conn)))


def _gather(conn: sa.Connection, claimed: Sequence[Facts], vetting: Vetting) -> list[Facts]:
    rules = vetting.rules
    windows = {facts.action_id: (facts.completions, facts.window_points) for facts in claimed}
    minutes: dict[ActionId, list[int]] = {}
    crowded: dict[ActionId, Asked] = {}
    counted: dict[Asked, tuple[int, int]] = {}
    if rules.velocity or rules.burst:
        windows |= fraud_facts.fullest_windows(conn, [facts for facts in claimed if facts.late])
    if rules.burst:
        # Fewer points than this can't be an outlier, since the scale is at least one default award.
        suspicious = rules.burst.robust_z * max(1, vetting.default_award)
        minutes = fraud_facts.minutes(conn, [facts for facts in claimed if windows[facts.action_id][1] > suspicious])
    if rules.shared_ip:
        most = rules.shared_ip.completions_per_minute
        crowded = {
            it.action_id: (_network(it.client_ip), it.end_at)
            for it in claimed
            if it.client_ip is not None and it.ip_completions is not None and it.ip_completions > most
        }
        counted = addresses.accounts(conn, {*crowded.values()})
    known = []
    for facts in claimed:
        completions, points = windows[facts.action_id]
        asked = crowded.get(facts.action_id)
        ip_completions, ip_accounts = counted[asked] if asked else (facts.ip_completions, None)
        known.append(
            msgspec.structs.replace(
                facts,
                completions=completions,
                window_points=points,
                minutes=minutes.get(facts.action_id, ()),
                ip_accounts=ip_accounts,
                ip_completions=ip_completions,
            )
        )
    return known


@lru_cache(maxsize=10_000)
def _network(client_ip: str) -> Network:
    """Return the network that counts as one address: the address, or its IPv6 /64."""
    address = ipaddress.ip_address(client_ip)
    return ipaddress.ip_network(address if address.version == 4 else (address, 64), strict=False)
