"""Judges completed actions by the rules of `fraud.toml`: a pure function of facts that the caller gathers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean, median
from typing import Annotated, Any

import msgspec

from app.domain.ids import ActionId, UserId

WINDOW = 60
"""Seconds, up to and including an action's end, in which the rules count."""

Count = Annotated[int, msgspec.Meta(ge=0)]


class Velocity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Holds a user's completions beyond a number in the window."""

    completions_per_minute: Count
    enabled: bool = True


class Burst(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Holds a user's points beyond a number in the window, or far above the user's usual minute."""

    points_per_minute: Count
    robust_z: Annotated[float, msgspec.Meta(gt=0)]
    min_history: Annotated[int, msgspec.Meta(ge=1)]
    enabled: bool = True


class SharedIp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Holds completions from one address beyond a number in the window, if enough accounts share the address."""

    accounts: Annotated[int, msgspec.Meta(ge=1)]
    completions_per_minute: Count
    enabled: bool = True


class Suspend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Suspends a user with a number of held actions in 24 hours."""

    held_in_24h: Annotated[int, msgspec.Meta(ge=1)]
    enabled: bool = True


class FraudRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules in force; a section that is missing or disabled is None."""

    velocity: Velocity | None = None
    burst: Burst | None = None
    shared_ip: SharedIp | None = None
    suspend: Suspend | None = None


class Facts(msgspec.Struct, frozen=True):
    """What is known of a completed action when it is judged.

    The numbers are those of the window that ends with the action, itself included: of its user, and of its address
    (None where addresses don't count; up to one beyond the limit where its accounts weren't counted). `minutes` are the
    points of the user's earlier minutes that had any. Of a `late` action, recorded after its end, the user's numbers
    are those of the fullest window that it lies in: completions after it may have been judged before. `type` and
    `value` are for the boards that the action counts on.
    """

    action_id: ActionId
    user_id: UserId
    points: int
    start_at: datetime
    end_at: datetime
    client_ip: str | None
    late: bool = False
    type: str = "default"
    value: int | None = None
    completions: int = 1
    window_points: int = 0
    ip_completions: int | None = None
    ip_accounts: int | None = None
    minutes: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Cleared, or held back by a rule, with a reason for people and the numbers the rule saw."""

    held: bool
    rule: str = ""
    reason: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)


CLEARED = Verdict(held=False)
UNSETTLEABLE = Verdict(held=True, rule="unsettleable", reason="It could not be settled in five attempts.")
OUT_OF_RANGE = Verdict(
    held=True,
    rule="out_of_range",
    reason="With it a score would be beyond 2^53 - 1, up to which JSON carries it exactly.",
)

RULES = ("velocity", "burst", "shared_ip", UNSETTLEABLE.rule, OUT_OF_RANGE.rule)
"""Every rule that may hold an action."""

NOT_THE_USERS_FAULT = ("shared_ip", UNSETTLEABLE.rule, OUT_OF_RANGE.rule)
"""Rules that never count towards a suspension."""


def parse(table: Mapping[str, Any]) -> FraudRules:
    """Read the rules from a parsed `fraud.toml`.

    Raises:
        ValueError: one line that names the key.
    """
    # A disabled section need not be complete.
    table = {name: it for name, it in table.items() if not (isinstance(it, dict) and it.get("enabled") is False)}
    try:
        rules = msgspec.convert(table, FraudRules)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise ValueError(f"{path.rstrip('`') or 'file'}: {message[0].lower()}{message[1:]}") from None
    return rules


def judge(facts: Facts, rules: FraudRules, default_award: int) -> Verdict:
    """Return the verdict on one action.

    Args:
        default_award: points of the default type, the smallest scale by which minutes are compared.
    """
    return (
        _velocity(facts, rules.velocity)
        or _burst(facts, rules.burst, default_award)
        or _shared_ip(facts, rules.shared_ip)
        or CLEARED
    )


def robust_z(value: float, history: Sequence[float], *, min_scale: float) -> float:
    """Return how far `value` lies from `history`, in robust standard deviations: the modified z-score.

    The scale is 1.4826 times the median absolute deviation or, where that is 0, 1.2533 times the mean absolute
    deviation; never less than `min_scale`. Source: Iglewicz and Hoaglin (1993), "How to Detect and Handle Outliers".
    """
    middle = median(history)
    deviations = [abs(it - middle) for it in history]
    scale = 1.4826 * median(deviations) or 1.2533 * fmean(deviations)
    return (value - middle) / max(scale, min_scale)


def _velocity(facts: Facts, rule: Velocity | None) -> Verdict | None:
    if rule is None or facts.completions <= rule.completions_per_minute:
        return None
    return Verdict(
        held=True,
        rule="velocity",
        reason=f"{facts.completions} completions in {WINDOW} s, more than {rule.completions_per_minute}.",
        facts={"completions": facts.completions, "limit": rule.completions_per_minute},
    )


def _burst(facts: Facts, rule: Burst | None, default_award: int) -> Verdict | None:
    if rule is None:
        return None
    if facts.window_points > rule.points_per_minute:
        return Verdict(
            held=True,
            rule="burst",
            reason=f"{facts.window_points} points in {WINDOW} s, more than {rule.points_per_minute}.",
            facts={"points": facts.window_points, "limit": rule.points_per_minute},
        )
    if len(facts.minutes) < rule.min_history:
        return None
    z = robust_z(facts.window_points, facts.minutes, min_scale=max(1, default_award))
    if z <= rule.robust_z:
        return None
    usual = median(facts.minutes)
    return Verdict(
        held=True,
        rule="burst",
        reason=f"{facts.window_points} points in {WINDOW} s, where this player's usual minute has {usual:g}.",
        facts={"points": facts.window_points, "median": usual, "robustZ": round(z, 2), "limit": rule.robust_z},
    )


def _shared_ip(facts: Facts, rule: SharedIp | None) -> Verdict | None:
    if rule is None or facts.ip_accounts is None or facts.ip_completions is None:
        return None
    if facts.ip_accounts < rule.accounts or facts.ip_completions <= rule.completions_per_minute:
        return None
    return Verdict(
        held=True,
        rule="shared_ip",
        reason=(
            f"{facts.ip_accounts} accounts behind one address completed {facts.ip_completions} actions in {WINDOW} s, "
            f"more than {rule.completions_per_minute}."
        ),
        facts={
            "accounts": facts.ip_accounts,
            "completions": facts.ip_completions,
            "limit": rule.completions_per_minute,
        },
    )
