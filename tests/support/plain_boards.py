"""What boards must show, worked out by a plain sort of all that was done.

The periods are found by what a clock on the wall of the board's zone shows, not by the service's own code.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain import board_rules
from app.domain.board_rules import BoardRule
from app.domain.ids import BoardId, UserId
from tests.support.done import Done

RULES = board_rules.parse(
    tomllib.loads("""
        [boards.all-time]

        [boards.best]
        window = "monthly"
        types = ["quest", "lap"]
        by = "best"
        top = 3

        [boards.day]
        window = "daily"
        zone = "Europe/Berlin"

        [boards.fastest]
        of = "value"
        by = "best"
        order = "lowest"
        types = ["lap"]
        top = 100

        [boards.last]
        window = "daily"
        zone = "Australia/Lord_Howe"
        of = "value"
        by = "latest"

        [boards.last-low]
        from = 2026-03-29
        to = 2026-10-25T02:30:00
        zone = "Europe/Berlin"
        of = "value"
        by = "latest"
        order = "lowest"
        top = 1

        [boards.spring]
        from = 2026-03-29T00:30:00Z
        to = 2026-04-05T03:00:00Z

        [boards.week]
        window = "weekly"
        zone = "America/Santiago"
        order = "lowest"

        [boards.weights]
        window = "weekly"
        of = "value"
        top = 4
    """)
)
Score = tuple[int, datetime]
"""What a user's standing is, and when it was reached."""


@dataclass
class Person:
    """A user as the machine knows it."""

    user_id: UserId
    status: str = "active"
    hidden: bool = False
    total: int = 0
    adjusted: list[tuple[int, datetime]] = field(default_factory=list)

    @property
    def shown(self) -> bool:
        return self.status == "active" and not self.hidden


def label_of(rule: BoardRule, moment: datetime) -> str | None:
    """Return the row of `boards` that a moment belongs to, None outside of a season."""
    if rule.window == "all":
        return rule.id
    if rule.window == "season":
        assert rule.starts is not None
        assert rule.ends is not None
        return rule.id if rule.starts <= moment < rule.ends else None
    form = {"daily": "%Y-%m-%d", "weekly": "%G-W%V", "monthly": "%Y-%m"}[rule.window]
    return f"{rule.id}:{moment.astimezone(ZoneInfo(rule.zone)):{form}}"


def standings(
    people: Iterable[Person], counted: Iterable[Done], until: datetime | None = None
) -> dict[str, dict[UserId, Score]]:
    """Work out every standing, by its row of `boards` and its user, from the cleared actions and the adjustments.

    Args:
        until: what ended, or was adjusted, later is left out.
    """
    counted = [it for it in counted if until is None or it.end_at <= until]
    adjusted = [(it.user_id, *each) for it in people for each in it.adjusted if until is None or each[1] <= until]
    amounts: dict[tuple[str, UserId], list[tuple[datetime, int]]] = defaultdict(list)
    for rule in RULES.values():
        for it in counted:
            amount = it.value if rule.of == "value" else it.points or None
            row = label_of(rule, it.end_at)
            if (rule.types is None or it.type in rule.types) and amount is not None and row is not None:
                amounts[row, it.user_id].append((it.end_at, amount))
        if rule.of == "points" and rule.by == "sum" and rule.types is None:
            for user_id, points, at in adjusted:
                if row := label_of(rule, at):
                    amounts[row, user_id].append((at, points))
    expected: dict[str, dict[UserId, Score]] = defaultdict(dict)
    for (row, user_id), each in amounts.items():
        rule = RULES[BoardId(row.partition(":")[0])]
        sign = 1 if rule.order == "lowest" else -1
        if rule.by == "sum":
            expected[row][user_id] = (sum(amount for _, amount in each), max(at for at, _ in each))
        elif rule.by == "best":
            place, at = sorted((sign * amount, at) for at, amount in each)[0]
            expected[row][user_id] = (sign * place, at)
        else:
            newest = max(at for at, _ in each)
            expected[row][user_id] = (sign * min(sign * amount for at, amount in each if at == newest), newest)
    return expected


def listed(rule: BoardRule, people: Iterable[Person], of_row: dict[UserId, Score]) -> list[tuple[UserId, int]]:
    """Return who is on a board, and with which score, the first place first."""
    shown = {it.user_id for it in people if it.shown}
    sign = 1 if rule.order == "lowest" else -1
    order = sorted(
        (sign * score, reached_at, user_id)
        for user_id, (score, reached_at) in of_row.items()
        if user_id in shown and (score > 0 or rule.of == "value")
    )
    return [(user_id, sign * place) for place, _, user_id in order]
