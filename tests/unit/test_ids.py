"""Identifiers: UUIDv7, in order of time, taken back in their canonical form alone."""

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ids import is_id, new_id


def test_new_id_is_a_uuid_of_version_7_in_canonical_form() -> None:
    made = new_id()
    assert is_id(made)
    assert uuid.UUID(made).version == 7
    assert abs(int(made.replace("-", "")[:12], 16) / 1000 - time.time()) < 60


def test_new_ids_are_unique_and_in_order() -> None:
    made = [new_id() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    assert made == sorted(made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "not-a-uuid",
        "01890A5D-AC96-774B-BCCE-B302099A8057",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805",
        "01890a5d-ac96-774b-bcce-b302099a80577",
        "01890a5d-ac96-774b-bcce-b302099a805g",
        "01890a5d-ac96-774b-bcce-b302099a8057\n",
        " 01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805\u0663",
        "01890a5d-ac96-774b-bcce-b302099_8057",
        "01890a5d\0ac96-774b-bcce-b302099a8057",
    ],
)
def test_anything_but_the_canonical_form_is_no_id(text: str) -> None:
    assert not is_id(text)


@given(st.uuids())
def test_every_uuid_in_canonical_form_is_an_id(made: uuid.UUID) -> None:
    assert is_id(str(made))


@given(st.text())
def test_text_is_an_id_or_not(text: str) -> None:
    assert not is_id(text)
