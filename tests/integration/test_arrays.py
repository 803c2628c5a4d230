"""Lists that are sent as array literals arrive as what they were."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from db.arrays import literal
from tests.support.service import Stores


def echo(stores: Stores, items: list[Any], of: str) -> list[Any]:
    with stores.engine.connect() as conn:
        return list(conn.execute(sa.select(sa.text(f"CAST(:items AS {of}[])")), {"items": items}).scalar_one())


texts = st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


@settings(max_examples=200, deadline=None)
@example(
    [
        "",
        "NULL",
        "null",
        " ",
        "{}",
        "{a,b}",
        ",",
        ";",
        "'",
        "''",
        "\\'",
        "E'\\x27",
        '"',
        '\\"',
        "\\",
        "\\\\",
        "$1",
        "%s",
    ]
)
@example(['a","b', "c"])
@example(['"', "a"])
@example(["a\nb\tc\r", "ü", "😀", "'; DROP TABLE users; --"])
@example(["plain"])
@example([])
@given(items=texts)
def test_text(stores: Stores, items: list[str | None]) -> None:
    assert echo(stores, items, "text") == items


@pytest.mark.parametrize(
    ("items", "of"),
    [
        ([0, -1, 2**63 - 1, None], "bigint"),
        ([0.1, -1e300, float("inf"), None], "double precision"),
        ([True, False, None], "boolean"),
        ([datetime(2026, 2, 28, 23, 59, 59, 999_999, UTC), datetime(1, 1, 1, tzinfo=UTC), None], "timestamptz"),
    ],
)
def test_arrays_of_other_types(stores: Stores, items: list[Any], of: str) -> None:
    assert echo(stores, items, of) == items


def test_moment_keeps_its_offset(stores: Stores) -> None:
    here = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    assert echo(stores, [here], "timestamptz") == [here]


def test_statement_that_says_no_type_takes_it_from_context(stores: Stores) -> None:
    with stores.engine.connect() as conn:
        assert conn.execute(
            sa.text("SELECT 'b' = ANY(:texts), 2 = ANY(:numbers)"), {"texts": ["a", "b"], "numbers": [1]}
        ).one() == (
            True,
            False,
        )


def test_text_that_postgresql_cannot_hold_is_refused(stores: Stores) -> None:
    with pytest.raises(ValueError, match="NUL"):
        echo(stores, ["a\0b"], "text")
    with pytest.raises(psycopg2.ProgrammingError, match="can't adapt type 'dict' in a list"):
        literal([{}])
