"""The types of identifiers, and how new ones are made."""

import re
import uuid
from typing import NewType

import uuid_utils

UserId = NewType("UserId", str)
ActionId = NewType("ActionId", str)
BoardId = NewType("BoardId", str)
JoinCodeId = NewType("JoinCodeId", str)
NetworkId = NewType("NetworkId", str)

DEFAULT_BOARD = BoardId("all-time")
"""The board that is answered where none is named. Source: contract, section 3."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_id() -> str:
    """Make a UUIDv7: opaque to clients, in order of time for indexes."""
    return str(uuid_utils.uuid7())


def id_after(earlier: str) -> str:
    """Make an identifier that is greater than `earlier`, also if that one was made by a clock that is ahead of ours."""
    return max(new_id(), str(uuid.UUID(int=uuid.UUID(earlier).int + 1)))


def is_id(text: str) -> bool:
    """Return whether `text` is a UUID in its canonical form."""
    return _UUID.fullmatch(text) is not None
