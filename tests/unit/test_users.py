"""What names, addresses and passwords users may have."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.users import InvalidUser, check_user

EMAIL = "alice@example.org"
PASSWORD = "correct horse"


@pytest.mark.parametrize("username", ["bob", "a" * 32, "A.b_c-9", "0-0", "9__", "Zz."])
def test_a_good_name_passes(username: str) -> None:
    check_user(username=username, email=EMAIL, password=PASSWORD)


@pytest.mark.parametrize(
    "username",
    [
        *("", "a", "ab", "a" * 33, ".abc", "_abc", "-abc", " abc", "abc ", "a bc", "a/bc", "a@bc", "abc\n", "\nabc"),
        *("ab\0c", "äbc", "abç", "\u0430bc", "a\u0301bc", "١٢٣", "<b>", "ab\u202ec"),
    ],
)
def test_a_bad_name_is_refused_by_its_field(username: str) -> None:
    with pytest.raises(InvalidUser, match=r"^username: "):
        check_user(username=username, email=EMAIL, password=PASSWORD)


@pytest.mark.parametrize("email", ["a@b", "x" * 64 + "@" + "y" * 189, "ä+tag@ö.example", "a.b@c.d"])
def test_a_good_address_passes(email: str) -> None:
    check_user(username="bob", email=email, password=PASSWORD)


@pytest.mark.parametrize(
    "email", ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "a@b\n", "a\0@b", "x" * 65 + "@b", "a@" + "y" * 190]
)
def test_a_bad_address_is_refused_by_its_field(email: str) -> None:
    with pytest.raises(InvalidUser, match=r"^email: "):
        check_user(username="bob", email=email, password=PASSWORD)


@pytest.mark.parametrize("password", ["x" * 8, "x" * 128, "ü" * 8, "😀" * 128, " " * 8])
def test_a_good_password_passes(password: str) -> None:
    check_user(username="bob", email=EMAIL, password=password)


@pytest.mark.parametrize("password", ["", "x" * 7, "x" * 129])
def test_a_bad_password_is_refused_by_its_field(password: str) -> None:
    with pytest.raises(InvalidUser, match=r"^password: "):
        check_user(username="bob", email=EMAIL, password=password)


@given(st.text(), st.text(), st.text())
def test_any_text_passes_or_is_refused(username: str, email: str, password: str) -> None:
    with contextlib.suppress(InvalidUser):
        check_user(username=username, email=email, password=password)
