"""Lists as PostgreSQL takes them fastest: as one array literal.

psycopg2 writes ARRAY['…', '…'], which costs both sides a word for each element: with a thousand of them twice the time.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg2 import ProgrammingError
from psycopg2.extensions import QuotedString, register_adapter


def send_as_literals() -> None:
    """Make psycopg2 send lists as literals in this process; a statement gives their type, by a cast or by context."""
    register_adapter(list, _Literal)


def literal(items: Sequence[Any]) -> str:
    """Write an array literal. Source: PostgreSQL's manual, "Array Value Input".

    Raises:
        psycopg2.ProgrammingError: for anything but text, numbers, moments and None.
    """
    if not items:
        return "{}"
    try:
        text = '","'.join(items)
    except TypeError:
        pass
    else:
        if "\\" not in text and text.count('"') == 2 * (len(items) - 1):
            return f'{{"{text}"}}'
    return "{" + ",".join(map(_element, items)) + "}"


def _element(item: Any) -> str:
    if isinstance(item, str):
        escaped = item.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(item, datetime):
        return f'"{item.isoformat()}"'
    if isinstance(item, int | float):
        return str(item)
    if item is None:
        return "NULL"
    raise ProgrammingError(f"can't adapt type {type(item).__name__!r} in a list")


class _Literal:
    """What psycopg2 asks for the words of a list; it quotes them itself, by the connection's rules."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._quoted = QuotedString(literal(items))

    def prepare(self, connection: Any) -> None:
        self._quoted.prepare(connection)

    def getquoted(self) -> bytes:
        quoted: bytes = self._quoted.getquoted()
        return quoted
