"""Join codes: how they are made, typed and stored."""

import pytest

from app.domain.join_codes import ALPHABET, digest, new_code, normalized


def test_new_codes_differ_and_are_read_as_they_are() -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    assert set("".join(codes)) == set(ALPHABET)
    assert {normalized(it) for it in codes} == codes


def test_alphabet_has_no_look_alikes_and_no_vowels() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 25
    assert set(ALPHABET).isdisjoint("0O1ILZSBAEU")


@pytest.mark.parametrize(
    "typed",
    [
        "K7QM9XT2",
        "k7qm9xt2",
        "K7QM-9XT2",
        " k7qm 9xt2 ",
        "K7QM\u20139XT2",
        "K-7-Q-M 9 X T 2",
        "\uff2b\uff17\uff31\uff2d\uff19\uff38\uff34\uff12",
        "k7qm9xtz",
    ],
)
def test_code_is_taken_as_people_type_it(typed: str) -> None:
    assert normalized(typed) == "K7QM9XT2"


@pytest.mark.parametrize(
    "typed", ["", "K7QM9XT", "K7QM9XT22", "K7QM9XTO", "K7QM9XT_", "K7QM\n9XT2", "\u0410" * 8, "\xb2" * 9]
)
def test_text_that_can_be_no_code_is_none(typed: str) -> None:
    assert normalized(typed) is None


def test_what_is_stored_depends_on_code_and_key_and_shows_neither() -> None:
    stored = digest("K7QM9XT2", "k" * 32)
    assert len(stored) == 32
    assert stored == digest("K7QM9XT2", "k" * 32)
    assert len({stored, digest("K7QM9XT3", "k" * 32), digest("K7QM9XT2", "l" * 32)}) == 3
    assert b"K7QM" not in stored
