"""uvicorn's HTTP protocol, with bounds on a request's head, and problem+json for what can't be read as HTTP."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.domain.errors import Malformed
from app.domain.ids import new_id
from app.http import problem

LARGEST_HEAD = 32 * 1024
HEAD_WITHIN = 15.0
"""Seconds within which a connection's first byte, and then a request's whole head, must have arrived."""


class Protocol(HttpToolsProtocol):
    """The protocol that `uvicorn.Config(http=...)` is given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        # What belongs to the body, in the packet that ends the head, was counted too: the bound is a coarse one.
        if self._in_head and self._head > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        request_id = new_id()
        answer = problem(Malformed("The request can't be read as HTTP/1.1."), request_id)
        answer.headers["x-request-id"] = request_id
        answer.headers["connection"] = "close"
        head = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + bytes(answer.body))
        self.transport.close()

    def _await_head(self) -> None:
        self._head_is_here()
        self._in_head = True
        self._head_timer = self.loop.call_later(HEAD_WITHIN, self.transport.close)

    def _head_is_here(self) -> None:
        self._in_head, self._head = False, 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
