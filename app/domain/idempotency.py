"""Keys by which a client marks a request that it may send twice. Source: contract, section 4, "Idempotency-Key"."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from app.domain.errors import Malformed
from app.domain.ids import UserId

_KEY = re.compile(r"[\x20-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A key that a request carries: whose it is, and the hash (hexadecimal) of what is asked for."""

    owner_id: str
    key: str
    body_hash: str


def check_key(keys: list[str]) -> str:
    """Return the one key of a request's headers.

    Raises:
        Malformed: when there are several, or it is not 1 to 128 printable ASCII characters.
    """
    if len(keys) > 1:
        raise Malformed("Idempotency-Key: a request has one at most.")
    if not _KEY.fullmatch(keys[0]):
        raise Malformed("Idempotency-Key: must be 1 to 128 printable ASCII characters.")
    return keys[0]


def body_hash(user_id: UserId, body: Any) -> str:
    """Return the hash of a body as it was understood, and of the user that it is about.

    It is compared with hashes of years ago: a field that comes to the body later must be left out while it is not
    given.
    """
    return hashlib.sha256(msgspec.json.encode([user_id, body], order="sorted")).hexdigest()
