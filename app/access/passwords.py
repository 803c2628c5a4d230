"""Passwords, by argon2id."""

import secrets

import argon2

from app.domain.users import normalized

# 19 MiB and two passes: OWASP's first choice. About 36 ms.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_dummy = _hasher.hash("nobody's password")


LETTERS = "bcdfghjkmnpqrstvwxyz23456789"
"""Of generated passwords: none that is taken for another, on paper or read out; no vowels, so that none is a word."""

GROUPS, GROUP = 3, 4


def generate_password() -> str:
    """Return a new password that is easy to read from a slip of paper, as "k7mp-9hxt-w4fq", with 57 random bits."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def hash_password(password: str) -> str:
    """Hash a password for storing."""
    return _hasher.hash(normalized(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Return whether a password is right; without a hash, False after the same time."""
    # Hashes from before passwords were normalized are of the password as it was typed.
    return any([_verify(password_hash, it) for it in dict.fromkeys((normalized(password), password))])


def _verify(password_hash: str | None, password: str) -> bool:
    try:
        _hasher.verify(password_hash or _dummy, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return password_hash is not None
