"""What completing an action is worth: pure rules, read from `scoring.toml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec

from app.domain import values
from app.domain.values import PointsByValue, ValueRule

DEFAULT_TYPE = "default"


class ActionType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule of one action type: points, shortest and longest duration in seconds, limit for a UTC day, value, title.

    A value is reported by a service key; by players too where they are trusted.
    """

    points: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | PointsByValue
    min_seconds: Annotated[int, msgspec.Meta(ge=0)] = 0
    max_seconds: Annotated[int, msgspec.Meta(ge=1, le=366 * 24 * 3600)] | None = None
    per_day: Annotated[int, msgspec.Meta(ge=0)] | None = None
    value: ValueRule | None = None
    trust_players: bool = False
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None

    @property
    def most_points(self) -> int:
        """The points of one action at most."""
        return self.points.max if isinstance(self.points, PointsByValue) else self.points


MAX_OPEN_ACTIONS = 2000
"""Actions that one user may have open, unless the rules say otherwise."""


class ScoringRules(dict[str, ActionType]):
    """The action types by name, and the number of actions that one user may have open."""

    def __init__(self, types: Mapping[str, ActionType], max_open_actions: int = MAX_OPEN_ACTIONS) -> None:
        super().__init__(types)
        self.max_open_actions = max_open_actions


@dataclass(frozen=True, slots=True)
class Scored:
    """The action counts, for so many points."""

    points: int


@dataclass(frozen=True, slots=True)
class TooSoon:
    """The action was completed sooner than its type allows; `wait` is the time still missing."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class Expired:
    """The action was open longer than its type allows."""


def parse(table: Mapping[str, Any]) -> ScoringRules:
    """Read the rules from a parsed `scoring.toml`.

    Raises:
        ValueError: one line that names the key.
    """
    for key in table:
        if key not in ("types", "max_open_actions"):
            raise ValueError(f"{key}: unknown key, only max_open_actions and [types.<name>] are known")
    max_open = table.get("max_open_actions", MAX_OPEN_ACTIONS)
    if type(max_open) is not int or not 1 <= max_open <= 100_000:
        raise ValueError("max_open_actions: must be a whole number from 1 to 100000")
    types = table.get("types")
    if not isinstance(types, dict) or DEFAULT_TYPE not in types:
        raise ValueError(f"types.{DEFAULT_TYPE}: is missing")
    return ScoringRules({name: _parse_type(name, rule) for name, rule in types.items()}, max_open)


def _parse_type(name: str, rule: object) -> ActionType:
    if not 1 <= len(name) <= 64:
        raise ValueError(f"types.{name}: a name has 1 to 64 characters")
    try:
        action_type = msgspec.convert(rule, ActionType)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        key = f"types.{name}{path.rstrip('`')}"
        raise ValueError(f"{key}: {message[0].lower()}{message[1:]}") from None
    if action_type.max_seconds is not None and action_type.max_seconds <= action_type.min_seconds:
        raise ValueError(f"types.{name}.max_seconds: must be more than min_seconds")
    if action_type.title is not None and not (action_type.title.isprintable() and action_type.title.strip()):
        raise ValueError(f"types.{name}.title: must be printable text")
    values.check(name, action_type.value, action_type.points, trust_players=action_type.trust_players)
    return action_type


def expired(rule: ActionType, *, start_at: datetime, now: datetime) -> bool:
    """Return whether an action that began at `start_at` has been open for too long at `now`."""
    return rule.max_seconds is not None and now - start_at > timedelta(seconds=rule.max_seconds)


def points(rule: ActionType, *, value: int | None, completed_today: int) -> int:
    """Return the points of a completion with a `value` that the rule allows.

    Args:
        completed_today: like those of complete().
    """
    if rule.per_day is not None and completed_today >= rule.per_day:
        return 0
    if isinstance(rule.points, PointsByValue):
        assert value is not None
        return rule.points.of(value)
    return rule.points


def complete(
    rule: ActionType, *, start_at: datetime, now: datetime, completed_today: int, value: int | None = None
) -> Scored | TooSoon | Expired:
    """Decide what completing an action at `now` means.

    Args:
        completed_today: completions of this type by this user since midnight UTC, this one not counted.
        value: what was measured of it, which the rule allows; None for a type without.
    """
    if expired(rule, start_at=start_at, now=now):
        return Expired()
    wait = start_at + timedelta(seconds=rule.min_seconds) - now
    if rule.min_seconds and wait > timedelta(0):
        return TooSoon(wait)
    return Scored(points(rule, value=value, completed_today=completed_today))
