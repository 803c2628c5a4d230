"""Join codes: what one looks like, however it was typed, and what is stored of it."""

import hmac
import secrets
import unicodedata

ALPHABET = "23456789CDFGHJKMNPQRTVWXY"
"""No two of these look alike, and without vowels no code is a word. 25 of them: 8 make 37 bits."""

LENGTH = 8
_MISREAD = str.maketrans("BSZ", "852")


def new_code() -> str:
    """Return a code that nobody can guess."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def normalized(typed: str) -> str | None:
    """Return a code as it was made: in whatever case, with spaces and dashes; None for what can't be one."""
    text = unicodedata.normalize("NFKC", typed).upper()
    code = "".join(it for it in text if unicodedata.category(it) not in ("Zs", "Pd")).translate(_MISREAD)
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else None


def digest(code: str, secret_key: str) -> bytes:
    """Return what is stored of a code; one made under a key that is retired now is looked for by that key.

    A plain hash of 37 bits is reversed in minutes by whoever reads a backup. One with a key isn't, while the key is
    kept elsewhere; and unlike a slow hash it finds its row by an index.
    """
    return hmac.digest(secret_key.encode(), b"join-code:" + code.encode(), "sha256")
