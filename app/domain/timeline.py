"""Scores over time: the moments at which they are told, and the score at each from what was added in between."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from app.domain.board_rules import BoardRule

_SMALLEST = timedelta(microseconds=1)


def moments(first: datetime, last: datetime, points: int) -> list[datetime]:
    """Return this many moments (at least two) at equal distances, rounded down to microseconds, both ends included."""
    span = (last - first) // _SMALLEST
    return [first + timedelta(microseconds=span * number // (points - 1)) for number in range(points)]


def sums(now: int, steps: Mapping[int, int], count: int) -> list[int]:
    """Return a sum at each of `count` moments.

    Args:
        now: the sum as it is by now.
        steps: what was added before each moment and after the one before it, by the moment's number; under `count`
            what was added after the last one.
    """
    score = now - sum(steps.values())
    found = []
    for number in range(count):
        score += steps.get(number, 0)
        found.append(score)
    return found


def kept(rule: BoardRule, steps: Mapping[int, int], count: int) -> list[int | None]:
    """Return the best or the latest score at each of `count` moments; before there is any None, or 0 points.

    Args:
        steps: the best, or latest, of what was reached before each moment and after the one before it, by the moment's
            number; what is numbered 0 was there at the first one.
    """
    score = None if rule.valued else 0
    found: list[int | None] = []
    for number in range(count):
        if number in steps:
            score = _combined(rule, score, steps[number])
        found.append(score)
    return found


def _combined(rule: BoardRule, before: int | None, new: int) -> int:
    if before is None or rule.by == "latest" or (before == 0 and not rule.valued):
        return new
    return min(before, new) if rule.lowest else max(before, new)


def just_after(moments: Sequence[datetime]) -> list[datetime]:
    """Return the first moments after these that PostgreSQL can tell from them."""
    return [it + _SMALLEST for it in moments]
