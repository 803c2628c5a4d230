"""The codes that a WebSocket is closed with, and that a stream names at its end.

Source: contract, section 6; RFC 6455, section 7.4.
"""

from dataclasses import dataclass
from enum import IntEnum

import msgspec


class CloseCode(IntEnum):
    """A code that the service closes a socket with, and the reason that its description gives."""

    reason: str

    def __new__(cls, code: int, reason: str) -> "CloseCode":
        member = int.__new__(cls, code)
        member._value_ = code
        member.reason = reason
        return member

    NOT_TEXT = 1003, "a binary frame was sent"
    TOO_MANY_FRAMES = 1008, "over 60 frames in a minute were sent"
    TOO_LARGE = 1009, "a frame over 4 KiB was sent"  # sent by uvicorn, as is the next one
    STOPPING = 1012, "the process is stopping: connect again, with jitter"
    TOKEN_OVER = 4401, "the token has expired or was revoked"
    SUSPENDED = 4403, "the user is suspended"
    SLOW = 4408, "the peer did not read for over 10 s"


GONE = 1005
"""What the application is told of a connection that was lost without a code; no server sends it."""

SILENT = 1006
"""What the application is told when pings got no answer; no peer can send it."""


def reason_of(code: int) -> str:
    """Return what a code means."""
    return next(it.reason for it in CloseCode if it == code)


class StreamEnd(msgspec.Struct):
    """The data of a stream's event `end`: the code that a socket would be closed with, and what it means."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a socket ends: its code, and whether the peer or the server has closed it already."""

    code: int
    closed: bool = False
