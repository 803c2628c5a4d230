"""Days, weeks and months in time zones; the moments are worked out by hand, from the zones' published rules."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import periods
from app.domain.board_rules import BoardRule, Window
from app.domain.ids import BoardId

MICROSECOND = timedelta(microseconds=1)


def rule(window: Window, zone: str = "UTC") -> BoardRule:
    return BoardRule(id=BoardId("b"), title="B", window=window, zone=zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "zone", "label", "starts", "ends"),
    [
        ("daily", "UTC", "2026-11-28", "2026-11-28", "2026-11-29"),
        ("monthly", "UTC", "2028-02", "2028-02-01", "2028-03-01"),
        ("monthly", "UTC", "2026-12", "2026-12-01", "2027-01-01"),
        # The week of a year's first Thursday is its first; 2026 begins and ends with one, and has 53.
        ("weekly", "UTC", "2026-W01", "2025-12-29", "2026-01-05"),
        ("weekly", "UTC", "2026-W53", "2026-12-28", "2027-01-04"),
        ("weekly", "UTC", "2027-W01", "2027-01-04", "2027-01-11"),
        # Summer time begins and ends: days of 23 and 25 hours.
        ("daily", "Europe/Berlin", "2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("daily", "Europe/Berlin", "2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("weekly", "Europe/Berlin", "2026-W13", "2026-03-22T23:00", "2026-03-29T22:00"),
        ("monthly", "Europe/Berlin", "2026-10", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("daily", "Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30", "2026-10-04T13:00"),
        # Offsets that are no whole hours, and those furthest from UTC.
        ("daily", "Asia/Kathmandu", "2026-11-28", "2026-11-27T18:15", "2026-11-28T18:15"),
        ("daily", "Pacific/Chatham", "2026-11-28", "2026-11-27T10:15", "2026-11-28T10:15"),
        ("weekly", "Pacific/Kiritimati", "2026-W48", "2026-11-22T10:00", "2026-11-29T10:00"),
        # There is no midnight: clocks go from 0:00 to 1:00.
        ("daily", "America/Santiago", "2026-09-05", "2026-09-05T04:00", "2026-09-06T04:00"),
        ("daily", "America/Santiago", "2026-09-06", "2026-09-06T04:00", "2026-09-07T03:00"),
        ("daily", "Africa/Cairo", "2026-04-24", "2026-04-23T22:00", "2026-04-24T21:00"),
        # From 23:30 to 0:30.
        ("daily", "America/Toronto", "1919-03-31", "1919-03-31T04:30", "1919-04-01T04:00"),
        # There are two midnights (clocks go back from 1:00 to 0:00), or the last hour comes twice (from 0:00 to 23:00).
        ("daily", "America/Havana", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),
        ("daily", "America/Santiago", "2026-04-04", "2026-04-04T03:00", "2026-04-05T04:00"),
        # From 0:01 to 23:01 the day before, which had ended.
        ("daily", "America/St_Johns", "2010-11-07", "2010-11-07T02:30", "2010-11-08T03:30"),
        # Without a 30 December, having crossed the date line.
        ("daily", "Pacific/Apia", "2011-12-29", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("daily", "Pacific/Apia", "2011-12-31", "2011-12-30T10:00", "2011-12-31T10:00"),
    ],
)
def test_period_begins_and_ends_to_the_microsecond(
    window: Window, zone: str, label: str, starts: str, ends: str
) -> None:
    board = rule(window, zone)
    found = periods.named(board, label)
    assert found == (f"b:{label}", "b", label, utc(starts), utc(ends))
    first, last = utc(starts), utc(ends) - MICROSECOND
    for moment in (first, first + (last - first) / 2, last):
        assert periods.at(board, moment) == found
    assert periods.at(board, first - MICROSECOND) != found
    assert periods.at(board, utc(ends)) != found


def test_period_goes_on_when_the_clock_shows_the_day_before_once_more() -> None:
    found = periods.at(rule("daily", "America/St_Johns"), utc("2010-11-07T03:00"))  # 23:30 on Saturday, once more
    assert found is not None
    assert found.label == "2010-11-07"


@pytest.mark.parametrize(
    ("window", "label"),
    [
        ("all", "2026"),
        ("season", "2026"),
        ("weekly", "2027-W53"),
        ("weekly", "2026-W00"),
        ("weekly", "2026-W1"),
        ("weekly", "2026-11-28"),
        ("daily", "2026-02-29"),
        ("daily", "2026-W48"),
        ("daily", "2026-11-28 "),
        ("daily", "2026-11-28\n"),
        ("daily", "\u0662026-11-28"),  # a digit, but not one of ours
        ("daily", "9999-12-31"),
        ("monthly", "2026-13"),
        ("monthly", "2026-00"),
        ("monthly", ""),
    ],
)
def test_period_of_no_such_label_is_none(window: Window, label: str) -> None:
    assert periods.named(rule(window), label) is None


def test_period_of_a_day_that_its_zone_skipped_is_none() -> None:
    assert periods.named(rule("daily", "Pacific/Apia"), "2011-12-30") is None


def test_period_of_a_board_that_counts_for_ever_is_the_board() -> None:
    assert periods.at(rule("all"), utc("2026-11-28")) == ("b", "b", None, None, None)


def test_period_of_a_season_is_the_board_between_its_ends() -> None:
    season = BoardRule(
        id=BoardId("b"), title="B", window="season", starts=utc("2026-11-01"), ends=utc("2026-12-01T12:00")
    )
    only = ("b", "b", None, utc("2026-11-01"), utc("2026-12-01T12:00"))
    assert periods.at(season, utc("2026-11-01")) == only
    assert periods.at(season, utc("2026-12-01T12:00") - MICROSECOND) == only
    assert periods.at(season, utc("2026-11-01") - MICROSECOND) is None
    assert periods.at(season, utc("2026-12-01T12:00")) is None


@given(
    st.integers(int(utc("1900-01-01").timestamp()), int(utc("2100-01-01").timestamp())),
    st.sampled_from(["daily", "weekly", "monthly"]),
    st.sampled_from(["Europe/Berlin", "America/Santiago", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "UTC"]),
)
def test_periods_follow_each_other_without_gap_or_overlap(seconds: int, window: Window, zone: str) -> None:
    board, moment = rule(window, zone), datetime.fromtimestamp(seconds, UTC)
    found = periods.at(board, moment)
    assert found is not None
    assert found.label is not None
    assert found.starts is not None
    assert found.ends is not None
    assert found.starts <= moment < found.ends
    assert periods.named(board, found.label) == found
    before, after = periods.at(board, found.starts - MICROSECOND), periods.at(board, found.ends)
    assert before is not None
    assert after is not None
    assert (before.ends, after.starts) == (found.starts, found.ends)
    assert before.label is not None
    assert after.label is not None
    assert before.label < found.label < after.label
