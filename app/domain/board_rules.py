"""Which boards there are: read from `boards.toml`."""

import re
from collections.abc import Mapping
from typing import Any

from app.domain.ids import DEFAULT_BOARD, BoardId

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


def parse(table: Mapping[str, Any]) -> tuple[BoardId, ...]:
    """Return the ids of the boards of a parsed `boards.toml`, in the order in which boards are locked.

    Raises:
        ValueError: one line that names the key.
    """
    for key in table:
        if key != "boards":
            raise ValueError(f"{key}: unknown key, only [boards.<id>] is known")
    boards = table.get("boards")
    if not isinstance(boards, dict) or DEFAULT_BOARD not in boards:
        raise ValueError(f"boards.{DEFAULT_BOARD}: is missing")
    for name, rule in boards.items():
        if not _ID.fullmatch(name):
            raise ValueError(f"boards.{name}: an id has 1 to 32 of a-z, 0-9 and -, none of them - at its ends")
        if not isinstance(rule, dict):
            raise ValueError(f"boards.{name}: must be a table")
        for key in rule:
            raise ValueError(f"boards.{name}.{key}: unknown key")
    return tuple(BoardId(name) for name in sorted(boards))
