"""What a rule saw, on a scale."""

import pytest

from app.domain.measured import Measured, measured


@pytest.mark.parametrize(
    ("rule", "facts", "scale"),
    [
        ("velocity", {"completions": 52, "limit": 45}, Measured("completions", 52, 45, 11)),
        ("burst", {"points": 1600, "limit": 1500}, Measured("points", 1600, 1500, 80)),
        # 3 robust deviations are 30 points: 7 of them above the median of 50 are 120.
        ("burst", {"points": 80, "median": 50, "robustZ": 3.0, "limit": 7.0}, Measured("points", 80, 120.0, 50)),
        ("shared_ip", {"accounts": 5, "completions": 151, "limit": 150}, Measured("completions", 151, 150)),
        ("unsettleable", {}, None),
    ],
)
def test_measured_puts_what_a_rule_saw_beside_its_limit(rule: str, facts: dict[str, float], scale: Measured) -> None:
    assert measured(rule, facts, usual_completions=11, usual_points=80) == scale
