"""Local times in a time zone of the IANA database."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo


@cache
def zone(name: str) -> ZoneInfo:
    """Return the time zone of that name, such as "Europe/Berlin".

    Raises:
        ValueError: when there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such file; no file's name; a directory's
        raise ValueError("is no time zone, such as Europe/Berlin") from None


def first_moment(local: datetime, name: str) -> datetime:
    """Return the first moment, in UTC, at which a clock in the zone shows `local`, a time without offset, or later.

    A clock that is put back shows some times twice, and one that is put forward skips some: days may begin twice, or
    half an hour after a midnight that there wasn't.

    Raises:
        OverflowError: when that lies outside of the years 1 to 9999.
    """
    here = zone(name)
    moment = local.replace(tzinfo=here, fold=0).astimezone(UTC)
    if moment.astimezone(here).replace(tzinfo=None) == local:
        return moment
    # Skipped. With fold=0 it was read with the offset before, and came out late; with the one after it comes out early.
    early = local.replace(tzinfo=here, fold=1).astimezone(UTC)
    seconds = range(int((moment - early).total_seconds()))
    forward = bisect_left(seconds, local, key=lambda after: _shown(early, after, here))
    return early + timedelta(seconds=forward)


def _shown(start: datetime, seconds: int, here: ZoneInfo) -> datetime:
    return (start + timedelta(seconds=seconds)).astimezone(here).replace(tzinfo=None)
