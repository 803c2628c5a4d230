"""A moment, as bodies and answers have it."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from app.domain.errors import Malformed

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its offset; in descriptions a `date-time`, which generated clients read as one."""


def in_utc(moment: datetime | None, field: str) -> datetime | None:
    """Return the same moment in UTC, since PostgreSQL takes no offset of 16 hours or more.

    Raises:
        Malformed: when that lies outside of the years 1 to 9999.
    """
    try:
        return moment and moment.astimezone(UTC)
    except OverflowError:
        raise Malformed(f"{field}: is no moment in UTC.") from None
