"""What names, addresses and passwords users may have."""

import re

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{2,31}")
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,189}")


class InvalidUser(ValueError):
    """What is wrong, in a sentence that names the field."""


def check_user(*, username: str, email: str, password: str) -> None:
    """Refuse what nobody may have.

    Raises:
        InvalidUser: naming the field and its rule.
    """
    if not _USERNAME.fullmatch(username):
        raise InvalidUser("username: 3 to 32 of A-Z a-z 0-9 _ . -, beginning with a letter or digit.")
    if not _EMAIL.fullmatch(email):
        raise InvalidUser("email: must be an e-mail address.")
    check_password(password)


def check_password(password: str, field: str = "password") -> None:
    """Refuse a password that nobody may have.

    Raises:
        InvalidUser: naming the field and its rule.
    """
    if not 8 <= len(password) <= 128:
        raise InvalidUser(f"{field}: 8 to 128 characters.")
