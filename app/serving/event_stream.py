"""An answer of Server-Sent Events that goes on: it is written past ASGI, each event framed once for all its readers.

ASGI would take a message, a chunk and a turn of each middleware for each event of each reader.
Source: HTML, section 9.2 (the format); RFC 9112, section 7.1 (chunks).
"""

import contextlib
import re
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from app.domain import messages
from app.live.close_codes import GONE, SILENT, CloseCode
from app.live.outlet import Gone
from telemetry import metrics

STREAM = "scoreboard.stream"
"""The extension of ASGI's scope by which an answer goes on as a stream: an `EventStream`."""

PATH = "/top-scores/stream"
"""How the paths of requests end that are given one."""

ACKNOWLEDGED_WITHIN = 40.0
"""Seconds after which a peer is gone whose machine doesn't acknowledge what it was sent."""

_LINE_ENDS = re.compile(r"\r\n|\r|\n")


class EventStream:
    """Events on one connection of HTTP, once the head of their answer was sent.

    An `Outlet`, as a socket is: nothing is queued beyond what the transport takes.
    """

    __slots__ = ("_code", "_ended", "_flow", "_transport")

    messages = metrics.stream_messages

    def __init__(self, transport: Any, flow: Any) -> None:
        self._transport = transport
        self._flow = flow
        self._code: int | None = None
        self._ended: Callable[[int], None] | None = None

    def open(self, ended: Callable[[int], None]) -> None:
        """Begin, the head being sent; call `ended` with a close code when the peer has gone, or the process stops."""
        self._ended = ended
        if self._code is not None:
            ended(self._code)
        self._transport = self._transport.plain()
        peer = self._transport.get_extra_info("socket")
        if (option := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None and peer is not None:
            with contextlib.suppress(OSError):  # it has just gone, which is told in a moment
                peer.setsockopt(socket.IPPROTO_TCP, option, int(ACKNOWLEDGED_WITHIN * 1000))

    def send_ready(self, text: str) -> bool:
        """Send a message at once; False, and nothing is sent, when that would have to wait, or the peer has gone."""
        if self._flow.write_paused or self._transport.is_closing():
            return False
        self._transport.write(_chunk(text))
        return True

    async def send(self, text: str) -> None:
        """Send a message as soon as there is room for it."""
        await self._flow.drain()
        if not self.send_ready(text):
            raise Gone

    def cut(self) -> None:
        """Close the connection, whatever was not read yet."""
        self._transport.abort()

    def lost(self, reason: Exception | None) -> None:
        """Note that the connection is lost."""
        silent = self._flow.write_paused or isinstance(reason, TimeoutError)
        self._end(SILENT if silent else GONE)

    def stop(self) -> None:
        """Note that the process stops."""
        self._end(CloseCode.STOPPING)

    def _end(self, code: int) -> None:
        self._code = code
        if self._ended is not None:
            self._ended(code)


def event(text: str, *, name: str = "", retry: int | None = None) -> bytes:
    """Return a message as an event; with the id of the board's version, if it is one.

    Args:
        retry: milliseconds after which a browser is to come back.
    """
    lines = [f"event: {name}"] if name else []
    if retry is not None:
        lines.append(f"retry: {retry}")
    if (version := messages.event_id(text)) is not None:
        lines.append(f"id: {version}")
    lines += [f"data: {line}" for line in _LINE_ENDS.split(text)]
    return "".join(f"{line}\n" for line in [*lines, ""]).encode()


@lru_cache(maxsize=64)
def _chunk(text: str) -> bytes:
    data = event(text)
    return b"%x\r\n%b\r\n" % (len(data), data)
