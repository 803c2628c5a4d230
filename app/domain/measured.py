"""What a fraud rule measured, on one scale: the value that it saw, its limit, and what is usual."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Measure = Literal["completions", "points"]


class Measured(NamedTuple):
    """What a rule counted in a minute, how much it saw and allows, and what is usual where that is known."""

    measure: Measure
    saw: float
    limit: float
    usual: float | None = None


def measured(
    rule: str, facts: Mapping[str, Any], *, usual_completions: float | None, usual_points: float | None
) -> Measured | None:
    """Return what a verdict's facts say on a scale; None for a rule that measures nothing.

    Args:
        usual_completions, usual_points: the median of the player's minutes; None for who has played none.
    """
    if rule == "velocity":
        return Measured("completions", facts["completions"], facts["limit"], usual_completions)
    if rule == "shared_ip":
        return Measured("completions", facts["completions"], facts["limit"])
    if rule != "burst":
        return None
    points, limit = facts["points"], facts["limit"]
    if "robustZ" not in facts:
        return Measured("points", points, limit, usual_points)
    # The limit is one of robust standard deviations: as many of them above the median, in points.
    usual = facts["median"]
    return Measured("points", points, round(usual + limit * (points - usual) / facts["robustZ"], 1), usual)
