"""What cleared actions and adjustments add to the periods of boards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain import counting
from app.domain.board_rules import BoardRule, BoardRules
from app.domain.counting import Completion
from app.domain.ids import BoardId, UserId

ALICE, BOB = UserId("alice"), UserId("bob")
MIDNIGHT = datetime(2026, 11, 30, tzinfo=UTC)
"""A day, a week and no month begin."""


def boards(**rules: Any) -> BoardRules:
    return {BoardId(it): BoardRule(id=BoardId(it), title=it, **rule) for it, rule in sorted(rules.items())}


def lap(seconds: float, points: int = 0, value: int | None = None, user_id: UserId = ALICE) -> Completion:
    """Return an action that ended so many seconds after midnight."""
    return Completion(user_id, "lap", points, value, MIDNIGHT + timedelta(seconds=seconds))


def gains(rules: BoardRules, *cleared: Completion) -> list[tuple[str, str, int, float]]:
    """Return what is earned, as board, user, score and seconds after midnight."""
    return [
        (it.board_id, it.user_id, it.score, (it.reached_at - MIDNIGHT).total_seconds())
        for it in counting.earned(rules, cleared)
    ]


def test_earned_on_each_period_that_covers_an_end_is_sorted_by_board_and_user() -> None:
    # "day-2" after "day:…" by id, but before it by board.
    rules = boards(**{"day": {"window": "daily"}, "day-2": {}, "week": {"window": "weekly"}})
    cleared = [lap(1, 10, user_id=BOB), lap(2, 20), lap(-1, 40, user_id=BOB), lap(-2, 80), lap(3, 0)]
    assert gains(rules, *cleared) == [
        ("day-2", ALICE, 100, 2),
        ("day-2", BOB, 50, 1),
        ("day:2026-11-29", ALICE, 80, -2),
        ("day:2026-11-29", BOB, 40, -1),
        ("day:2026-11-30", ALICE, 20, 2),
        ("day:2026-11-30", BOB, 10, 1),
        ("week:2026-W48", ALICE, 80, -2),
        ("week:2026-W48", BOB, 40, -1),
        ("week:2026-W49", ALICE, 20, 2),
        ("week:2026-W49", BOB, 10, 1),
    ]
    assert gains(rules) == []


@pytest.mark.parametrize(
    ("by", "order", "score", "seconds"),
    [
        ("sum", "highest", 21, 9),
        ("sum", "lowest", 21, 9),
        ("best", "highest", 8, 2),  # the earliest end of the best
        ("best", "lowest", 2, 5),
        ("latest", "highest", 3, 9),  # at the same moment the better
        ("latest", "lowest", 2, 9),
    ],
)
@pytest.mark.parametrize("step", [1, -1])
def test_earned_together_is_combined_by_the_rule_in_whatever_order(
    by: str, order: str, score: int, seconds: float, step: int
) -> None:
    rules = boards(b={"of": "value", "by": by, "order": order})
    laps = [lap(2, value=8), lap(5, value=2), lap(7, value=8), lap(9, value=2), lap(9, value=3), lap(1, value=-2)]
    if by == "best" and order == "lowest":
        laps[-1] = lap(1, value=4)
    elif by == "sum":
        assert sum(it.value or 0 for it in laps) == 21
    assert gains(rules, *laps[::step]) == [("b", ALICE, score, seconds)]


def test_earned_says_how_it_is_combined_and_its_period() -> None:
    (found,) = counting.earned(
        boards(b={"of": "value", "by": "best", "order": "lowest", "window": "daily"}), [lap(1, value=0)]
    )
    assert (found.combine, found.lowest, found.valued, found.score) == ("best", True, True, 0)
    assert found.period == ("b:2026-11-30", "b", "2026-11-30", MIDNIGHT, MIDNIGHT + timedelta(days=1))


def test_earned_at_the_very_end_of_a_period_is_of_the_next_one() -> None:
    assert gains(boards(day={"window": "daily"}), lap(-1, 10), lap(0, 20)) == [
        ("day:2026-11-29", ALICE, 10, -1),
        ("day:2026-11-30", ALICE, 20, 0),
    ]


def test_earned_outside_of_a_season_or_of_another_type_is_nothing() -> None:
    season: dict[str, Any] = {"window": "season", "starts": MIDNIGHT, "ends": MIDNIGHT + timedelta(seconds=2)}
    rules = boards(season=season, walks={"types": frozenset({"walk"})})
    assert gains(rules, lap(-1, 10), lap(0, 20), lap(1, 40), lap(2, 80)) == [("season", ALICE, 60, 1)]


def test_adjusted_are_boards_of_sums_of_all_points() -> None:
    rules = boards(
        **{
            "all": {},
            "best": {"by": "best"},
            "day": {"window": "daily"},
            "day-2": {},
            "lap": {"types": frozenset({"lap"})},
            "latest": {"by": "latest"},
            "season": {"window": "season", "starts": MIDNIGHT, "ends": MIDNIGHT + timedelta(seconds=1)},
            "values": {"of": "value"},
        }
    )
    found = counting.adjusted(rules, ALICE, -5, MIDNIGHT + timedelta(seconds=1))
    assert [(it.board_id, it.score) for it in found] == [("all", -5), ("day-2", -5), ("day:2026-11-30", -5)]
    assert counting.adjusted(rules, ALICE, 0, MIDNIGHT) == []


def test_periods_are_those_that_an_action_counts_on() -> None:
    rules = boards(
        **{"day": {"window": "daily"}, "day-2": {}, "values": {"of": "value"}, "walks": {"types": frozenset({"walk"})}}
    )
    found = counting.periods(rules, lap(0, 10))
    assert [(rule.id, period.id) for rule, period in found] == [("day-2", "day-2"), ("day", "day:2026-11-30")]
    assert [period.id for _, period in counting.periods(rules, lap(0, 0, 7))] == ["values"]
