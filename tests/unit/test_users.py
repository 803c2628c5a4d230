"""What names, addresses and passwords users may have."""

import contextlib

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.passwords import hash_password, verify_password
from app.domain.users import InvalidUser, check_password, check_user, normalized

EMAIL = "alice@example.org"
PASSWORD = "correct horse"


@pytest.mark.parametrize("username", ["bob", "a" * 32, "A.b_c-9", "0-0", "9__", "Zz."])
def test_good_name_passes(username: str) -> None:
    check_user(username=username, email=EMAIL, password=PASSWORD)


@pytest.mark.parametrize(
    "username",
    [
        *("", "a", "ab", "a" * 33, ".abc", "_abc", "-abc", " abc", "abc ", "a bc", "a/bc", "a@bc", "abc\n", "\nabc"),
        *("ab\0c", "äbc", "abç", "\u0430bc", "a\u0301bc", "١٢٣", "<b>", "ab\u202ec"),
    ],
)
def test_bad_name_is_refused_by_its_field(username: str) -> None:
    with pytest.raises(InvalidUser, match=r"^username: "):
        check_user(username=username, email=EMAIL, password=PASSWORD)


@pytest.mark.parametrize("email", ["a@b", "x" * 64 + "@" + "y" * 189, "ä+tag@ö.example", "a.b@c.d"])
def test_good_address_passes(email: str) -> None:
    check_user(username="bob", email=email, password=PASSWORD)


@pytest.mark.parametrize(
    "email", ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "a@b\n", "a\0@b", "x" * 65 + "@b", "a@" + "y" * 190]
)
def test_bad_address_is_refused_by_its_field(email: str) -> None:
    with pytest.raises(InvalidUser, match=r"^email: "):
        check_user(username="bob", email=email, password=PASSWORD)


@pytest.mark.parametrize("password", ["x" * 8, "x" * 128, "ü" * 8, "😀" * 128, " " * 8])
def test_good_password_passes(password: str) -> None:
    check_user(username="bob", email=EMAIL, password=password)


@pytest.mark.parametrize("password", ["", "x" * 7, "x" * 129])
def test_bad_password_is_refused_by_its_field(password: str) -> None:
    with pytest.raises(InvalidUser, match=r"^password: "):
        check_user(username="bob", email=EMAIL, password=password)


@given(st.text(), st.text(), st.text())
def test_text_passes_or_is_refused(username: str, email: str, password: str) -> None:
    with contextlib.suppress(InvalidUser):
        check_user(username=username, email=email, password=password)


@pytest.mark.parametrize(
    ("typed", "other"),
    [
        ("caf\u00e9 au lait", "cafe\u0301 au lait"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af pass", "\ud55c\uae00 pass"),
        ("two\u00a0words here", "two words here"),
        ("two\u3000words here", "two words here"),
    ],
)
def test_normalized_password_is_the_same_from_every_keyboard(typed: str, other: str) -> None:
    assert typed != other
    assert normalized(typed) == normalized(other)


def test_normalized_password_keeps_case_and_what_looks_alike() -> None:
    assert normalized("Password") != normalized("password")
    assert normalized("\ufb01ne words") != normalized("fine words")


def test_check_password_counts_characters_after_normalization() -> None:
    check_password("e\u0301" * 128)
    with pytest.raises(InvalidUser):
        check_password("e\u0301" * 7)


def test_verify_password_takes_both_forms_and_earlier_hashes() -> None:
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
    for stored in (composed, decomposed):
        for typed in (composed, decomposed):
            assert verify_password(hash_password(stored), typed)
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(decomposed)
    assert verify_password(old, decomposed)
    assert not verify_password(old, "cafe au lait")
    assert not verify_password(None, decomposed)
