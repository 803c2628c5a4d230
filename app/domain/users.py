"""The rules for usernames, e-mail addresses and passwords, and the roles of users."""

import re
import unicodedata
from typing import Literal

Role = Literal["player", "admin"]

USERNAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{2,31}"
EMAIL = r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,189}"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 128

_USERNAME, _EMAIL = re.compile(USERNAME), re.compile(EMAIL)


class InvalidUser(ValueError):
    """A field is invalid; the message is a sentence that names it."""


def check_user(*, username: str, email: str | None = None, password: str | None = None) -> None:
    """Check a username, and an e-mail address and a password where they are given.

    Raises:
        InvalidUser: naming the field and its rule.
    """
    check_username(username)
    if email is not None:
        check_email(email)
    if password is not None:
        check_password(password)


def check_username(username: str) -> None:
    """Check a username; raises InvalidUser."""
    if not _USERNAME.fullmatch(username):
        raise InvalidUser("username: 3 to 32 of A-Z a-z 0-9 _ . -, beginning with a letter or digit.")


def check_email(email: str) -> None:
    """Check an e-mail address; raises InvalidUser."""
    if not _EMAIL.fullmatch(email):
        raise InvalidUser("email: must be an e-mail address.")


def normalized(password: str) -> str:
    """Return a password as it is hashed and counted: one keyboard types "é" as one character, another as two.

    Source: RFC 8265, "OpaqueString": spaces of any kind become ASCII's, then NFC.
    """
    spaced = "".join(" " if unicodedata.category(it) == "Zs" else it for it in password)
    return unicodedata.normalize("NFC", spaced)


def check_password(password: str, field: str = "password") -> None:
    """Check a password's length.

    Raises:
        InvalidUser: naming the field and its rule.
    """
    if not SHORTEST_PASSWORD <= len(normalized(password)) <= LONGEST_PASSWORD:
        raise InvalidUser(f"{field}: {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
