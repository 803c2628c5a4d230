"""What is told of a freeze beside the rows of a board."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Freeze:
    """A board's freeze: when it began; and of how many places how many are revealed, while they are being revealed."""

    since: datetime
    revealed: int | None = None
    places: int | None = None
