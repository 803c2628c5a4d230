"""The order of standings: score descending, then who reached it first, then user id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.ids import UserId

TOP = 10
DEEPEST = 10_000
"""The last place that is computed, which bounds what is read to find a rank."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A user's settled score on a board; `reached_at` is when it was reached (UTC)."""

    user_id: UserId
    username: str
    score: int
    reached_at: datetime
    active: bool = True
    display_name: str | None = None

    @property
    def shown(self) -> bool:
        return self.active and self.score > 0


def order(standing: Standing) -> tuple[int, datetime, UserId]:
    """Return the key by which standings are sorted, the first place lowest."""
    return (-standing.score, standing.reached_at, standing.user_id)


def top(standings: Iterable[Standing]) -> list[Standing]:
    """Return the first ten of `standings`, as a board shows them."""
    return sorted((standing for standing in standings if standing.shown), key=order)[:TOP]


def merge(present: Sequence[Standing], touched: Iterable[Standing]) -> list[Standing] | None:
    """Work the `touched` standings into the `present` ten without looking at any other.

    Args:
        present: the ten as they were before, at most one entry a user.
        touched: the standings that changed, as they are now.

    Returns:
        The ten as they are now, or None if they can't be known from this: one of a full ten fell or left, so that a
        standing outside of it may have moved up.
    """
    now = {standing.user_id: standing for standing in touched}
    if len(present) == TOP:
        for before in present:
            after = now.get(before.user_id)
            if after is not None and not (after.shown and order(after) <= order(before)):
                return None
    kept = [standing for standing in present if standing.user_id not in now]
    return top([*kept, *now.values()])
