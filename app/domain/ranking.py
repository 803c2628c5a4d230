"""The order of standings: the better score first, then who reached it first, then user id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.ids import UserId

TOP = 10
"""How many rows a board shows where its rule says nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A user's settled score on a board; `reached_at` is when it was reached (UTC).

    `lowest` is for boards that the lowest score wins; `valued` for those of values, which show any score.
    """

    user_id: UserId
    username: str
    score: int
    reached_at: datetime
    active: bool = True
    display_name: str | None = None
    lowest: bool = False
    valued: bool = False

    @property
    def shown(self) -> bool:
        return self.active and (self.score > 0 or self.valued)


def order(standing: Standing) -> tuple[int, datetime, UserId]:
    """Return the key by which standings are sorted, the first place lowest."""
    return (standing.score if standing.lowest else -standing.score, standing.reached_at, standing.user_id)


def top(standings: Iterable[Standing], size: int = TOP) -> list[Standing]:
    """Return the first of `standings`, as a board of that size shows them."""
    return sorted((standing for standing in standings if standing.shown), key=order)[:size]


def merge(present: Sequence[Standing], touched: Iterable[Standing], size: int = TOP) -> list[Standing] | None:
    """Work the `touched` standings into the `present` rows without looking at any other.

    Args:
        present: the rows as they were before, at most one entry a user.
        touched: the standings that changed, as they are now.
        size: how many rows the board shows.

    Returns:
        The rows as they are now, or None if they can't be known from this: one of a full board fell or left, so that a
        standing outside of it may have moved up.
    """
    now = {standing.user_id: standing for standing in touched}
    if len(present) >= size:
        for before in present:
            after = now.get(before.user_id)
            if after is not None and not (after.shown and order(after) <= order(before)):
                return None
    kept = [standing for standing in present if standing.user_id not in now]
    return top([*kept, *now.values()], size)
