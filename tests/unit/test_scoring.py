"""What completing an action is worth, by tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain import scoring
from app.domain.scoring import ActionType, Expired, Scored, TooSoon
from config import settings
from config.rules import read

BEGAN = datetime(2026, 1, 31, 23, 59, 59, 500_000, tzinfo=UTC)
QUEST = ActionType(points=50, min_seconds=2, max_seconds=3600, per_day=20)
PLAIN = ActionType(points=10)
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
        ({"types": {"default": DEFAULT, 65 * "x": DEFAULT}}, "types.x"),
    ],
)
def test_malformed_rule_is_one_line_that_names_the_key(table: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        scoring.parse(table)
    line = str(refused.value)
    assert key in line
    assert "\n" not in line
