"""The periods of boards: days, weeks and months in the board's time zone, each of them a board of its own."""

import re
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from app.domain import zones
from app.domain.board_rules import BoardRule
from app.domain.ids import BoardId

_LABELS = {
    "daily": re.compile(r"([12]\d{3})-(\d\d)-(\d\d)", re.ASCII),
    "weekly": re.compile(r"([12]\d{3})-W(\d\d)", re.ASCII),
    "monthly": re.compile(r"([12]\d{3})-(\d\d)", re.ASCII),
}

FINAL_AFTER = timedelta(hours=1)
"""A period is final so long after its end: no later than that is an `endAt` taken. Source: contract, "Reports"."""


class Period(NamedTuple):
    """A period of a board: actions count on it that end from `starts` (UTC) on and before `ends`; None: without bound.

    `id` is that of its row in `boards`, and `label` what tells it from the board's others, such as "2026-W47"; boards
    that have only one have none.
    """

    id: BoardId
    board: BoardId
    label: str | None
    starts: datetime | None
    ends: datetime | None

    def covers(self, moment: datetime) -> bool:
        """Return whether `moment` lies in this period."""
        return (self.starts is None or self.starts <= moment) and (self.ends is None or moment < self.ends)

    def final(self, settled: datetime) -> bool:
        """Return whether nothing but a correction changes this period any more.

        Args:
            settled: the moment up to which all that was recorded is settled.
        """
        return self.ends is not None and self.ends + FINAL_AFTER <= settled


def only(rule: BoardRule) -> Period:
    """Return the one period of a board that has no others: a season, or for ever."""
    return Period(rule.id, rule.id, None, rule.starts, rule.ends)


def at(rule: BoardRule, moment: datetime) -> Period | None:
    """Return the period that `moment` (with its offset) lies in; None outside of a season."""
    if not rule.periodic:
        period = only(rule)
        return period if period.covers(moment) else None
    day = _first_day(rule.window, moment.astimezone(zones.zone(rule.zone)).date())
    # A clock that is put back at midnight shows the end of the period before once more: what has begun goes on.
    while not (period := _from(rule, day)).covers(moment):
        day = _next(rule.window, day)
    return period


def shown(rule: BoardRule, moment: datetime) -> Period:
    """Return the period that a board shows at `moment`: the present one; before and after a season the season."""
    return at(rule, moment) or only(rule)


def named(rule: BoardRule, label: str) -> Period | None:
    """Return the period of that label, past or future; None when the board has none of that form."""
    pattern = _LABELS.get(rule.window)
    match = pattern and pattern.fullmatch(label)
    if not match:
        return None
    year, *rest = map(int, match.groups())
    try:
        day = (
            date.fromisocalendar(year, rest[0], 1)
            if rule.window == "weekly"
            else date(year, rest[0], *(rest[1:] or [1]))
        )
    except ValueError:
        return None
    period = _from(rule, day)
    return period if period.starts != period.ends else None  # a day that the zone has skipped


def _from(rule: BoardRule, day: date) -> Period:
    """Return the period that begins with `day`."""
    starts, ends = (
        zones.first_moment(datetime.combine(it, time()), rule.zone) for it in (day, _next(rule.window, day))
    )
    label = _label(rule.window, day)
    return Period(BoardId(f"{rule.id}:{label}"), rule.id, label, starts, ends)


def _label(window: str, day: date) -> str:
    if window == "weekly":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02}"
    return f"{day:%Y-%m-%d}" if window == "daily" else f"{day:%Y-%m}"


def _first_day(window: str, day: date) -> date:
    if window == "weekly":
        return day - timedelta(days=day.weekday())
    return day if window == "daily" else day.replace(day=1)


def _next(window: str, day: date) -> date:
    """Return the first day of the period after that which begins with `day`."""
    if window == "monthly":
        return (day + timedelta(days=31)).replace(day=1)
    return day + timedelta(days=7 if window == "weekly" else 1)
