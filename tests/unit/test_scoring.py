"""What completing an action is worth, by tables."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain import scoring, values
from app.domain.scoring import ActionType, Expired, Scored, TooSoon
from app.domain.values import PointsByValue, ValueRule
from config import settings
from config.rules import read

BEGAN = datetime(2026, 1, 31, 23, 59, 59, 500_000, tzinfo=UTC)
QUEST = ActionType(points=50, min_seconds=2, max_seconds=3600, per_day=20, title="Quest")
PLAIN = ActionType(points=10, title="Action")
FREE = ActionType(points=0)
NEVER = ActionType(points=5, per_day=0)


@pytest.mark.parametrize(
    ("rule", "seconds", "completed_today", "outcome"),
    [
        (PLAIN, 0, 0, Scored(10)),
        (PLAIN, 10**9, 10**9, Scored(10)),
        (FREE, 1, 0, Scored(0)),
        (QUEST, 0, 0, TooSoon(timedelta(seconds=2))),
        (QUEST, 1.5, 0, TooSoon(timedelta(seconds=0.5))),
        (QUEST, 1.999999, 0, TooSoon(timedelta(microseconds=1))),
        (QUEST, 2, 0, Scored(50)),
        (QUEST, 3600, 0, Scored(50)),
        (QUEST, 3600.000001, 0, Expired()),
        (QUEST, 3600.000001, 99, Expired()),
        (QUEST, 5, 19, Scored(50)),
        (QUEST, 5, 20, Scored(0)),
        (QUEST, 5, 21, Scored(0)),
        (QUEST, 1, 20, TooSoon(timedelta(seconds=1))),
        (NEVER, 5, 0, Scored(0)),
        (PLAIN, -1, 0, Scored(10)),  # a clock that was set back
        (QUEST, -1, 0, TooSoon(timedelta(seconds=3))),
    ],
)
def test_action_is_scored_too_soon_or_expired(
    rule: ActionType, seconds: float, completed_today: int, outcome: object
) -> None:
    now = BEGAN + timedelta(seconds=seconds)
    assert scoring.complete(rule, start_at=BEGAN, now=now, completed_today=completed_today) == outcome
    assert scoring.expired(rule, start_at=BEGAN, now=now) == isinstance(outcome, Expired)


def test_rules_in_the_repository_are_those_of_the_contract() -> None:
    assert scoring.parse(read(settings.HERE / "scoring.toml")) == {"default": PLAIN, "quest": QUEST}


def test_rule_has_defaults() -> None:
    rules = scoring.parse({"types": {"default": {"points": 0}, "long-" + 59 * "x": {"points": 1_000_000}}})
    assert rules["default"] == ActionType(points=0, min_seconds=0, max_seconds=None, per_day=None)


DEFAULT = {"points": 1}
LAP = {"min": 1, "max": 10}
BY_VALUE = {"per_value": 2, "max": 500}


@pytest.mark.parametrize("name", ["x", "x" * 64])
def test_name_of_one_to_64_characters_is_taken(name: str) -> None:
    assert name in scoring.parse({"types": {"default": DEFAULT, name: DEFAULT}})


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, "types.default"),
        ({"types": {}}, "types.default"),
        ({"types": []}, "types.default"),
        ({"types": {"quest": DEFAULT}}, "types.default"),
        ({"types": {"default": DEFAULT}, "tpyes": {}}, "tpyes"),
        ({"types": {"default": 1}}, "types.default"),
        ({"types": {"default": {}}}, "types.default"),
        ({"types": {"default": {"points": -1}}}, "types.default.points"),
        ({"types": {"default": {"points": 1_000_001}}}, "types.default.points"),
        ({"types": {"default": {"points": 1.5}}}, "types.default.points"),
        ({"types": {"default": {"points": 1.0}}}, "types.default.points"),
        ({"types": {"default": {"points": "1"}}}, "types.default.points"),
        ({"types": {"default": {"points": True}}}, "types.default.points"),
        ({"types": {"default": {"points": 1, "pionts": 2}}}, "pionts"),
        ({"types": {"default": {"points": 1, "min_seconds": -1}}}, "types.default.min_seconds"),
        ({"types": {"default": {"points": 1, "max_seconds": 0}}}, "types.default.max_seconds"),
        ({"types": {"default": {"points": 1, "max_seconds": 366 * 86400 + 1}}}, "types.default.max_seconds"),
        ({"types": {"default": {"points": 1, "min_seconds": 5, "max_seconds": 5}}}, "types.default.max_seconds"),
        ({"types": {"default": {"points": 1, "per_day": -1}}}, "types.default.per_day"),
        ({"types": {"default": {"points": 1, "per_day": "many"}}}, "types.default.per_day"),
        ({"types": {"default": DEFAULT, "quest": {"points": None}}}, "types.quest.points"),
        ({"types": {"default": DEFAULT, "": DEFAULT}}, "types."),
        ({"types": {"default": {**DEFAULT, "title": ""}}}, "types.default.title"),
        ({"types": {"default": {**DEFAULT, "title": " "}}}, "types.default.title"),
        ({"types": {"default": {**DEFAULT, "title": "a\nb"}}}, "types.default.title"),
        ({"types": {"default": {**DEFAULT, "title": 65 * "x"}}}, "types.default.title"),
        ({"types": {"default": DEFAULT, "lap": {"points": 1, "value": {"min": 1}}}}, "types.lap.value"),
        ({"types": {"default": DEFAULT, "lap": {"points": 1, "value": {"min": 2, "max": 1}}}}, "types.lap.value.min"),
        ({"types": {"default": DEFAULT, "lap": {"points": 1, "value": {"min": 0.5, "max": 1}}}}, "types.lap.value.min"),
        ({"types": {"default": DEFAULT, "lap": {"points": 1, "value": {**LAP, "max": 2**53}}}}, "types.lap.value.max"),
        ({"types": {"default": DEFAULT, "lap": {"points": 1, "value": {**LAP, "unit": ""}}}}, "types.lap.value.unit"),
        ({"types": {"default": DEFAULT, "lap": {"points": 1, "value": {**LAP, "step": 1}}}}, "step"),
        ({"types": {"default": DEFAULT, "lap": {"points": 1, "trust_players": True}}}, "types.lap.trust_players"),
        ({"types": {"default": DEFAULT, "lap": {"points": BY_VALUE}}}, "types.lap.points.per_value"),
        ({"types": {"default": DEFAULT, "lap": {"points": {"per_value": 2}, "value": LAP}}}, "types.lap.points"),
        ({"types": {"default": DEFAULT, "lap": {"points": {**BY_VALUE, "max": -1}, "value": LAP}}}, "points.max"),
        (
            {"types": {"default": DEFAULT, "lap": {"points": {**BY_VALUE, "per_value": math.inf}, "value": LAP}}},
            "types.lap.points.per_value",
        ),
        (
            {"types": {"default": DEFAULT, "lap": {"points": {**BY_VALUE, "per_value": "2"}, "value": LAP}}},
            "types.lap.points.per_value",
        ),
        ({"types": {"default": DEFAULT, 65 * "x": DEFAULT}}, "types.x"),
    ],
)
def test_malformed_rule_is_one_line_that_names_the_key(table: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        scoring.parse(table)
    line = str(refused.value)
    assert key in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("per_value", "most", "value", "points"),
    [
        (2, 500, 3, 6),
        (2, 500, 250, 500),
        (2, 500, 251, 500),
        (0.5, 500, 3, 1),
        (0.1, 500, 30, 3),  # as floats 3.0000000000000004 and 2.9999999999999996 come of such products
        (0.29, 500, 100, 29),
        (0.7, 10**6, 10**6, 7 * 10**5),
        (1.1, 10**6, 10, 11),
        (1e-3, 500, 2999, 2),
        (1e300, 500, 1, 500),
        (2, 500, 0, 0),
        (2, 500, -1, 0),
        (-0.001, 500, -30_500, 30),  # the faster, the more
        (-1, 500, 3, 0),
        (2, 0, 3, 0),
    ],
)
def test_points_by_value_are_exact_rounded_down_and_bounded(
    per_value: float, most: int, value: int, points: int
) -> None:
    rule = ActionType(points=PointsByValue(per_value, most), value=ValueRule(-(10**6), 10**6), per_day=1)
    assert scoring.points(rule, value=value, completed_today=0) == points
    assert scoring.points(rule, value=value, completed_today=1) == 0
    assert rule.most_points == most


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        (None, None, None),
        (None, 0, "has none"),
        (ValueRule(1, 10), None, "needs one, from 1 to 10."),
        (ValueRule(1, 10, "ms"), 0, "from 1 to 10 ms"),
        (ValueRule(1, 10), 1, None),
        (ValueRule(1, 10), 10, None),
        (ValueRule(1, 10), 11, "from 1 to 10."),
    ],
)
def test_value_is_needed_and_bounded_where_the_type_has_one(
    rule: ValueRule | None, value: int | None, words: str | None
) -> None:
    said = values.problem("lap", rule, value)
    assert said is None if words is None else words in str(said)
