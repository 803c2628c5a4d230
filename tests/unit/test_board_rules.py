"""Which boards there are."""

from typing import Any

import pytest

from app.domain import board_rules
from app.domain.ids import DEFAULT_BOARD
from config import settings
from config.rules import read


def test_board_rules_of_the_project_have_the_default_board() -> None:
    assert board_rules.parse(read(settings.HERE / "boards.toml")) == (DEFAULT_BOARD,)


def test_board_rules_are_in_the_order_of_locking() -> None:
    table: dict[str, Any] = {"boards": {"weekly": {}, DEFAULT_BOARD: {}, "2026": {}, "x" * 32: {}}}
    assert board_rules.parse(table) == tuple(sorted(["weekly", DEFAULT_BOARD, "2026", "x" * 32]))


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, "boards.all-time"),
        ({"boards": []}, "boards.all-time"),
        ({"boards": {"weekly": {}}}, "boards.all-time"),
        ({"boards": {DEFAULT_BOARD: {}}, "board": {}}, "board"),
        ({"boards": {DEFAULT_BOARD: {"title": "All time"}}}, "boards.all-time.title"),
        *(({"boards": {DEFAULT_BOARD: {}, name: {}}}, f"boards.{name}") for name in ("", "A", "a b", "-a", "x" * 33)),
        ({"boards": {DEFAULT_BOARD: {}, "weekly": 7}}, "boards.weekly"),
    ],
)
def test_board_rules_malformed_are_one_line_that_names_the_key(table: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}: [^\n]+$"):
        board_rules.parse(table)
