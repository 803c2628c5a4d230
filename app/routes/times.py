"""Times in the query of a request."""

from datetime import UTC, datetime

import msgspec
from starlette.requests import Request

from app.domain.errors import WrongTime
from app.domain.moments import Moment


def moment_of(request: Request, name: str) -> datetime | None:
    """Return the moment that a parameter of the query names, in UTC; None without it.

    A "+" that was not encoded arrives as a space, and is taken for what it was meant as.

    Raises:
        WrongTime: when it is no time of RFC 3339 with an offset.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return msgspec.convert(text.replace(" ", "+"), Moment).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise WrongTime(f"{name}: must be a time with an offset, such as 2026-11-28T12:00:00Z.") from None
