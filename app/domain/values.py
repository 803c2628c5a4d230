"""What is measured of an action, such as a lap's time: its bounds, and what it earns. Rules of `scoring.toml`."""

import math
from fractions import Fraction
from functools import lru_cache
from typing import Annotated

import msgspec

LARGEST = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly; values lie between it and its negative."""

_Bound = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]


class ValueRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bounds of a type's value, both of them allowed, and the unit that it is given in, if that has a name."""

    min: _Bound
    max: _Bound
    unit: Annotated[str, msgspec.Meta(min_length=1, max_length=16)] | None = None


class PointsByValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points that depend on the value: so many for each unit of it, and at most `max`."""

    per_value: float
    max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]

    def of(self, value: int) -> int:
        """Return the points of a value: rounded down, at most `max`, never negative."""
        return max(0, min(self.max, math.floor(value * _as_written(self.per_value))))


@lru_cache(maxsize=1000)
def _as_written(number: float) -> Fraction:
    """Return the decimal number that a rule has, exactly: 0.1 is a tenth, which no float is."""
    return Fraction(repr(number))


def check(name: str, value: ValueRule | None, points: int | PointsByValue, *, trust_players: bool) -> None:
    """Check that the parts of a type's rule fit each other.

    Raises:
        ValueError: one line that names the key.
    """
    if value is not None and value.min > value.max:
        raise ValueError(f"types.{name}.value.min: must not be more than max")
    if isinstance(points, PointsByValue):
        if not math.isfinite(points.per_value):
            raise ValueError(f"types.{name}.points.per_value: must be a finite number")
        if value is None:
            raise ValueError(f"types.{name}.points.per_value: the type has no value")
    if trust_players and value is None:
        raise ValueError(f"types.{name}.trust_players: the type has no value")


def problem(name: str, rule: ValueRule | None, value: int | None) -> str | None:
    """Return in a sentence why an action of type `name` can't be completed with `value`; None when it can."""
    if rule is None:
        return None if value is None else f"value: an action of type {name!r} has none."
    unit = f" {rule.unit}" if rule.unit else ""
    if value is None:
        return f"value: an action of type {name!r} needs one, from {rule.min} to {rule.max}{unit}."
    if not rule.min <= value <= rule.max:
        return f"value: must be from {rule.min} to {rule.max}{unit}."
    return None
