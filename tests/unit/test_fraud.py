"""The verdict on a completed action, by tables."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import fraud
from app.domain.fraud import CLEARED, Facts, FraudRules
from app.domain.ids import ActionId, UserId
from config import settings
from config.rules import read

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
AWARD = 10
RULES = fraud.parse(read(settings.HERE / "fraud.toml"))
STEADY = (100,) * 30


def facts(
    completions: int = 1,
    points: int = 10,
    minutes: Sequence[int] = (),
    accounts: int | None = None,
    together: int | None = None,
) -> Facts:
    """Return the facts of an action, the numbers of its window among them."""
    end_at = BEGAN + timedelta(seconds=1)
    return Facts(
        ActionId("a"),
        UserId("u"),
        10,
        BEGAN,
        end_at,
        "192.0.2.1",
        completions=completions,
        window_points=points,
        minutes=minutes,
        ip_accounts=accounts,
        ip_completions=together,
    )


@pytest.mark.parametrize(
    ("judged", "rule"),
    [
        (facts(), ""),
        (facts(points=0), ""),
        (facts(completions=45), ""),
        (facts(completions=46), "velocity"),
        (facts(points=1500), ""),
        (facts(points=1501), "burst"),
        # A history that never varies: the scale is the default award, so 7 of them are the most.
        (facts(points=170, minutes=STEADY), ""),
        (facts(points=171, minutes=STEADY), "burst"),
        (facts(points=171, minutes=STEADY[1:]), ""),  # too short a history to tell
        (facts(points=0, minutes=STEADY), ""),  # less than usual is never held
        # Half of the minutes lie 20 from the middle: a scale of 1.4826 * 20.
        (facts(points=100 + 207, minutes=(80, 120, 100) * 10), ""),
        (facts(points=100 + 208, minutes=(80, 120, 100) * 10), "burst"),
        (facts(accounts=5, together=150), ""),
        (facts(accounts=5, together=151), "shared_ip"),
        (facts(accounts=4, together=999), ""),
        (facts(accounts=None, together=None), ""),
        # Velocity is told first, an address last.
        (facts(completions=46, points=9999, accounts=9, together=999), "velocity"),
        (facts(points=9999, accounts=9, together=999), "burst"),
    ],
)
def test_action_is_cleared_or_held_by_a_rule(judged: Facts, rule: str) -> None:
    verdict = fraud.judge(judged, RULES, AWARD)
    assert (verdict.held, verdict.rule) == (bool(rule), rule)
    if rule:
        assert verdict.reason.endswith(".")
        assert verdict.facts["limit"]
    else:
        assert verdict == CLEARED


@pytest.mark.parametrize("section", ["velocity", "burst", "shared_ip"])
def test_section_that_is_switched_off_or_left_out_holds_nothing(section: str) -> None:
    guilty = {
        "velocity": facts(completions=46),
        "burst": facts(points=1501),
        "shared_ip": facts(accounts=9, together=999),
    }
    table = read(settings.HERE / "fraud.toml")
    assert fraud.judge(guilty[section], fraud.parse(table), AWARD).rule == section
    off = {**table, section: {**table[section], "enabled": False}}
    assert fraud.judge(guilty[section], fraud.parse(off), AWARD) == CLEARED
    assert fraud.parse({**table, section: {"enabled": False}}) == fraud.parse(off)
    del off[section]
    assert fraud.judge(guilty[section], fraud.parse(off), AWARD) == CLEARED
    assert fraud.judge(guilty[section], FraudRules(), AWARD) == CLEARED


@pytest.mark.parametrize(
    ("value", "history", "min_scale", "z"),
    [
        (10, [10], 1, 0),
        (17, [10] * 5, 1, 7),
        (17, [10] * 5, 7, 1),
        (100 + 14.826, [90, 100, 110], 1, 1),
        (100 + 29.652, [90, 100, 110], 29.652, 1),
        # More than half are equal, so the median of the deviations is 0: 1.2533 times their mean.
        (10 + 1.2533, [10, 10, 10, 10, 15], 1, 1),
        (10 - 1.2533, [10, 10, 10, 10, 5], 1, -1),
    ],
)
def test_modified_z_score(value: float, history: Sequence[float], min_scale: float, z: float) -> None:
    assert fraud.robust_z(value, history, min_scale=min_scale) == pytest.approx(z)


@given(
    st.floats(0, 1e9),
    st.lists(st.integers(0, 10**9), min_size=1, max_size=50),
    st.floats(0.001, 1000, exclude_min=True),
)
def test_modified_z_score_has_the_sign_of_the_difference(value: float, history: list[int], min_scale: float) -> None:
    z = fraud.robust_z(value, history, min_scale=min_scale)
    middle = sorted(history)[len(history) // 2]
    assert z == z  # not NaN
    if value > middle and value > sorted(history)[(len(history) - 1) // 2]:
        assert z > 0


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"velocty": {}}, "velocty"),
        ({"velocity": {}}, "velocity"),
        ({"velocity": 5}, "velocity"),
        ({"velocity": {"completions_per_minute": -1}}, "velocity.completions_per_minute"),
        ({"velocity": {"completions_per_minute": 1.5}}, "velocity.completions_per_minute"),
        ({"velocity": {"completions_per_minute": 1, "enabled": "no"}}, "velocity.enabled"),
        ({"burst": {"points_per_minute": 1, "robust_z": 0, "min_history": 1}}, "burst.robust_z"),
        ({"burst": {"points_per_minute": 1, "robust_z": 1, "min_history": 0}}, "burst.min_history"),
        ({"shared_ip": {"accounts": 0, "completions_per_minute": 1}}, "shared_ip.accounts"),
        ({"suspend": {"held_in_24h": 0}}, "suspend.held_in_24h"),
        ({"suspend": {"held_in_24h": 1, "for": 2}}, "for"),
    ],
)
def test_malformed_rule_is_one_line_that_names_the_key(table: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        fraud.parse(table)
    line = str(refused.value)
    assert key in line
    assert "\n" not in line


def test_unsettleable_action_is_held_without_a_suspension() -> None:
    assert fraud.UNSETTLEABLE.held
    assert fraud.UNSETTLEABLE.reason
    assert set(fraud.NOT_THE_USERS_FAULT) == {"unsettleable", "out_of_range", "shared_ip"}
