"""The rules for service keys: their scopes, their names, and how a new one is made."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Literal, NewType, get_args

KeyId = NewType("KeyId", str)

KeyScope = Literal["actions", "users", "admin"]
"""What a key may do: report for any player; make, find and rename users; operate. Source: contract, section 8."""

SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)

PREFIX = "sbk_"
"""How every key begins, so that it is told from a token, and found by those who search for leaked secrets."""

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_NAME = re.compile(NAME)


class InvalidKey(ValueError):
    """A field of a new key is invalid; the message is a sentence that names it."""


def check_key(*, name: str, scopes: Sequence[str]) -> None:
    """Check the name and the scopes of a new key.

    Raises:
        InvalidKey: naming the field and its rule.
    """
    if not _NAME.fullmatch(name):
        raise InvalidKey("name: 1 to 64 of A-Z a-z 0-9 _ . -, beginning with a letter or digit.")
    if not scopes or len(set(scopes)) != len(scopes) or not set(scopes) <= set(SCOPES):
        raise InvalidKey(f"scopes: one or more of {', '.join(SCOPES)}, each once.")


def new_key() -> str:
    """Make a key of 256 random bits."""
    return f"{PREFIX}{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    """Return the SHA-256 of a key, in hexadecimal digits: what is stored, and looked up.

    A key is as random as a hash, so that a slow one would make it no safer. And what the time of a look-up could tell
    is about the hash of a guess, which leads nobody to the key: this stands in for a comparison in constant time.
    """
    return hashlib.sha256(key.encode()).hexdigest()
