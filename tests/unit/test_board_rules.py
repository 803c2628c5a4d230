"""Which boards there are, and what counts on each."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest

from app.domain import board_rules
from app.domain.board_rules import BoardRule
from app.domain.ids import DEFAULT_BOARD, BoardId
from config import settings
from config.rules import read

at = datetime.fromisoformat

SEASON = {"from": date(2026, 11, 1), "to": date(2026, 12, 1)}


def board(**written: Any) -> BoardRule:
    """Parse one board besides the default one."""
    return board_rules.parse({"boards": {DEFAULT_BOARD: {}, "b": written}})[BoardId("b")]


def test_board_rules_of_the_project_are_known_types_and_have_the_default_board() -> None:
    found = board_rules.parse(read(settings.HERE / "boards.toml"), read(settings.HERE / "scoring.toml")["types"])
    assert found[DEFAULT_BOARD] == BoardRule(id=DEFAULT_BOARD, title="All time")


def test_board_rules_are_in_the_order_of_locking() -> None:
    table: dict[str, Any] = {"boards": {"weekly": {}, DEFAULT_BOARD: {}, "2026": {}, "x" * 32: {}}}
    assert list(board_rules.parse(table)) == sorted(["weekly", DEFAULT_BOARD, "2026", "x" * 32])


def test_board_rules_left_out_are_those_of_all_points_of_all_time() -> None:
    assert board() == BoardRule(
        id=BoardId("b"),
        title="B",
        window="all",
        zone="UTC",
        starts=None,
        ends=None,
        types=None,
        of="points",
        by="sum",
        order="highest",
        unit=None,
        top=10,
        freeze_at=None,
    )
    assert board_rules.parse({"boards": {DEFAULT_BOARD: {}}})[DEFAULT_BOARD].title == "All time"


def test_board_rules_are_read_as_written() -> None:
    found = board(
        title="Fastest laps",
        window="monthly",
        zone="Europe/Berlin",
        types=["lap", "qualifying"],
        of="value",
        by="best",
        order="lowest",
        unit="ms",
        top=100,
        freeze_at=at("2026-12-24T20:00"),
    )
    assert found == BoardRule(
        id=BoardId("b"),
        title="Fastest laps",
        window="monthly",
        zone="Europe/Berlin",
        types=frozenset({"lap", "qualifying"}),
        of="value",
        by="best",
        order="lowest",
        unit="ms",
        top=100,
        freeze_at=datetime(2026, 12, 24, 19, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("written", "zone", "moment"),
    [
        (date(2026, 7, 1), "UTC", "2026-07-01T00:00"),
        (date(2026, 7, 1), "Europe/Berlin", "2026-06-30T22:00"),
        (date(2026, 9, 6), "America/Santiago", "2026-09-06T04:00"),  # its clocks skip that midnight
        (at("2026-07-01T12:00"), "America/New_York", "2026-07-01T16:00"),
        (at("2026-03-29T02:30"), "Europe/Berlin", "2026-03-29T01:00"),  # skipped: the first moment after
        (at("2026-10-25T02:30"), "Europe/Berlin", "2026-10-25T00:30"),  # twice: the first of both
        (datetime(2026, 7, 1, 12, tzinfo=UTC), "America/New_York", "2026-07-01T12:00"),
        (datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=-5))), "Asia/Tokyo", "2026-07-01T17:00"),
    ],
)
def test_board_rules_moment_is_in_the_zone_of_the_board(written: date, zone: str, moment: str) -> None:
    expected = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert board(freeze_at=written, zone=zone).freeze_at == expected
    season = board(**{"from": written, "to": date(2027, 1, 1)}, zone=zone)
    assert (season.window, season.starts) == ("season", expected)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, "boards.all-time"),
        ({"boards": []}, "boards.all-time"),
        ({"boards": {"weekly": {}}}, "boards.all-time"),
        ({"boards": {DEFAULT_BOARD: {}, **{f"b{it}": {} for it in range(32)}}}, "boards"),
        ({"boards": {DEFAULT_BOARD: {}}, "board": {}}, "board"),
        *(({"boards": {DEFAULT_BOARD: {}, name: {}}}, f"boards.{name}") for name in ("", "A", "a b", "-a", "x" * 33)),
        ({"boards": {DEFAULT_BOARD: {}, "a:b": {}}}, "boards.a:b"),
        ({"boards": {DEFAULT_BOARD: {}, "weekly": 7}}, "boards.weekly"),
        *(
            ({"boards": {DEFAULT_BOARD: fixed}}, f"boards.all-time.{key}")
            for key, fixed in (
                ("window", {"window": "daily"}),
                ("window", SEASON),
                ("types", {"types": ["quest"]}),
                ("of", {"of": "value"}),
                ("by", {"by": "best"}),
                ("order", {"order": "lowest"}),
            )
        ),
    ],
)
def test_board_rules_malformed_are_one_line_that_names_the_key(table: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}: [^\n]+$"):
        board_rules.parse(table)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 65}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"title": " a"}, "title"),
        ({"title": 7}, "title"),
        ({"window": "yearly"}, "window"),
        ({"window": "season"}, "from"),
        ({"from": date(2026, 11, 1)}, "to"),
        ({"to": date(2026, 11, 1)}, "from"),
        ({**SEASON, "window": "daily"}, "window"),
        ({**SEASON, "window": "all"}, "window"),
        ({**SEASON, "to": SEASON["from"]}, "to"),
        ({**SEASON, "from": "2026-11-01"}, "from"),
        ({**SEASON, "from": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, "from"),
        ({**SEASON, "to": time(12)}, "to"),
        ({"zone": "Europe/Atlantis"}, "zone"),
        ({"zone": "Europe"}, "zone"),
        ({"zone": ""}, "zone"),
        ({"zone": "../etc/passwd"}, "zone"),
        ({"zone": "/etc/passwd"}, "zone"),
        ({"zone": 1}, "zone"),
        ({"types": []}, "types"),
        ({"types": "quest"}, "types"),
        ({"types": [""]}, "types"),
        ({"types": ["x" * 65]}, "types"),
        ({"of": "values"}, "of"),
        ({"by": "worst"}, "by"),
        ({"order": "up"}, "order"),
        ({"unit": ""}, "unit"),
        ({"unit": "x" * 17}, "unit"),
        ({"unit": "\x1b"}, "unit"),
        ({"top": 0}, "top"),
        ({"top": 101}, "top"),
        ({"top": 10.5}, "top"),
        ({"freeze_at": 7}, "freeze_at"),
        ({"points": 10}, "points"),
    ],
)
def test_board_rules_malformed_key_of_a_board_is_named(written: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=rf"^boards\.b\.{key}[^ ]*: [^\n]+$"):
        board(**written)


def test_board_rules_with_a_type_that_scoring_does_not_have_are_refused_where_it_is_known() -> None:
    table = {"boards": {DEFAULT_BOARD: {}, "b": {"types": ["quest", "lap"]}}}
    with pytest.raises(ValueError, match=r"^boards\.b\.types: [^\n]*'lap'$"):
        board_rules.parse(table, {"default", "quest"})
    assert board_rules.parse(table, {"quest", "lap"}) == board_rules.parse(table)


@pytest.mark.parametrize(
    ("rule", "action_type", "value", "points", "amount"),
    [
        ({}, "quest", None, 50, 50),
        ({}, "quest", 7, 50, 50),
        ({}, "quest", None, 0, None),
        ({"types": frozenset({"lap"})}, "quest", None, 50, None),
        ({"types": frozenset({"lap"})}, "lap", 7, 50, 50),
        ({"of": "value"}, "quest", None, 50, None),
        ({"of": "value"}, "lap", 7, 0, 7),
        ({"of": "value"}, "lap", 0, 50, 0),
        ({"of": "value"}, "lap", -7, 50, -7),
        ({"of": "value", "types": frozenset({"lap"})}, "walk", 7, 50, None),
    ],
)
def test_board_rule_counts_points_that_there_are_or_values(
    rule: dict[str, Any], action_type: str, value: int | None, points: int, amount: int | None
) -> None:
    assert BoardRule(id=BoardId("b"), title="B", **rule).counts(action_type, value, points) == amount
