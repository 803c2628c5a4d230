"""What cleared actions, and adjustments, add to which boards' periods."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from app.domain.board_rules import BoardRule, BoardRules, By
from app.domain.ids import BoardId, UserId
from app.domain.periods import Period, at


class Completed(Protocol):
    """A completed action, as far as boards look at it."""

    @property
    def user_id(self) -> UserId: ...
    @property
    def type(self) -> str: ...
    @property
    def points(self) -> int: ...
    @property
    def value(self) -> int | None: ...
    @property
    def end_at(self) -> datetime: ...


class Completion(NamedTuple):
    """The least that is a completed action here."""

    user_id: UserId
    type: str
    points: int
    value: int | None
    end_at: datetime


class Earned(NamedTuple):
    """What one user's standing in one period gains, and by which rule it is combined with what is there.

    `score` is the sum, the best or the latest of what was earned together, as `combine` says; `reached_at` is when.
    """

    board_id: BoardId
    user_id: UserId
    score: int
    reached_at: datetime
    combine: By
    lowest: bool
    valued: bool
    period: Period


def earned(rules: BoardRules, cleared: Iterable[Completed]) -> list[Earned]:
    """Return what the actions add to boards: one entry for each period and user, in the order of both ids."""
    gains: dict[tuple[BoardId, UserId], Earned] = {}
    cleared = list(cleared)
    for rule in rules.values():
        period: Period | None = None  # that of the last action, which mostly is the next one's
        for action in cleared:
            amount = rule.counts(action.type, action.value, action.points)
            if amount is None:
                continue
            if period is None or not period.covers(action.end_at):
                period = at(rule, action.end_at)
            if period is None:
                continue
            key = (period.id, action.user_id)
            gain = _gain(rule, period, action.user_id, amount, action.end_at)
            before = gains.get(key)
            gains[key] = gain if before is None else combined(before, gain)
    return [gains[key] for key in sorted(gains)]


def adjusted(rules: BoardRules, user_id: UserId, points: int, moment: datetime) -> list[Earned]:
    """Return what an adjustment at `moment` adds to the boards that take adjustments, in the order of ids."""
    gains = [
        _gain(rule, period, user_id, points, moment)
        for rule in rules.values()
        if points and rule.adjustable and (period := at(rule, moment))
    ]
    return sorted(gains, key=lambda it: it.board_id)


def periods(rules: BoardRules, action: Completed) -> list[tuple[BoardRule, Period]]:
    """Return the periods that an action counts on once it is cleared, in the order of their ids."""
    found = [
        (rule, period)
        for rule in rules.values()
        if rule.counts(action.type, action.value, action.points) is not None and (period := at(rule, action.end_at))
    ]
    return sorted(found, key=lambda it: it[1].id)


def combined(before: Earned, gain: Earned) -> Earned:
    """Return both gains of one user in one period as one, in whatever order they came."""
    if gain.combine == "sum":
        return gain._replace(score=before.score + gain.score, reached_at=max(before.reached_at, gain.reached_at))
    if gain.combine == "latest" and before.reached_at != gain.reached_at:
        return max(before, gain, key=lambda it: it.reached_at)
    # The better; of equal ones that which was reached first.
    return min(before, gain, key=lambda it: (it.score if it.lowest else -it.score, it.reached_at))


def _gain(rule: BoardRule, period: Period, user_id: UserId, amount: int, moment: datetime) -> Earned:
    return Earned(period.id, user_id, amount, moment, rule.by, rule.lowest, rule.valued, period)
