"""uvicorn's HTTP protocol, with bounds on a request's arrival, and problem+json for what can't be read as HTTP."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.domain.errors import Malformed
from app.domain.ids import new_id
from app.http import problem

LARGEST_HEAD = 32 * 1024
REQUEST_WITHIN = 15.0
"""Seconds within which a connection's first request, and each later one from its first byte on, must have arrived."""


class _OneWrite:
    """A transport that sends an answer's head together with its body: in one system call and one packet."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.endswith(b"\r\n\r\n"):
            self._head = data
            self._loop.call_soon(self._flush)  # for an answer without a body
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def plain(self) -> Any:
        """Give the transport itself, for a connection that speaks HTTP no more."""
        self._flush()
        return self._transport

    def _flush(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """The protocol that `uvicorn.Config(http=...)` is given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_OneWrite(transport, self.loop))  # type: ignore[arg-type]
        self._bound_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        # What belongs to the body, in the packet that ends the head, was counted too: the bound is a coarse one.
        if self._in_head and self._head > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("")
        # Most requests come in one packet, and no timer is ever set for them.
        if self._in_head or self._in_body():
            self._bound_arrival()
        else:
            self._arrived()

    def handle_websocket_upgrade(self) -> None:
        transport: Any = self.transport
        self.transport = transport.plain()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arrived()
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        request_id = new_id()
        answer = problem(Malformed("The request can't be read as HTTP/1.1."), request_id)
        answer.headers["x-request-id"] = request_id
        answer.headers["connection"] = "close"
        head = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + bytes(answer.body))
        self.transport.close()

    def _in_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete

    def _bound_arrival(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(REQUEST_WITHIN, self._too_slow)

    def _arrived(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if self._in_body() and not self.cycle.response_started:
            self.send_400_response("")
        else:
            self.transport.close()
