"""uvicorn's HTTP protocol, with bounds on a request's arrival, and problem+json for what can't be read as HTTP."""

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.domain.errors import Malformed
from app.domain.ids import new_id
from app.http import API_POLICY, Header, common_headers, problem

LARGEST_HEAD = 32 * 1024
REQUEST_WITHIN = 15.0
"""Seconds within which a connection's first request, and each later one from its first byte on, must have arrived."""

LAST_CALL = 1.0
"""Seconds for which a process that stops takes one more request on each connection that is open and idle."""

_CONTINUE = b"HTTP/1.1 100 "
_OWN_POLICY = b"\r\ncontent-security-policy: "


def _lines(headers: Iterable[Header]) -> bytes:
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers)


_API_POLICY = _lines([API_POLICY])


class _OneWrite:
    """A transport that completes an answer's head, and sends it together with its body: in one system call and packet.

    uvicorn looks at each header of each answer anew; those that every answer has are added here, as ready-made bytes.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop, common: bytes) -> None:
        self._transport = transport
        self._loop = loop
        self._common = common
        self._head = b""
        self._in_body = False

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif not self._in_body and not data.startswith(_CONTINUE):
            self._in_body = True
            policy = b"" if _OWN_POLICY in data else _API_POLICY
            self._head = data[:-2] + self._common + policy + b"\r\n"
            self._loop.call_soon(self._flush)  # for a body that takes its time
            return
        self._transport.write(data)

    def answered(self) -> None:
        """Take what is written next for the next answer's head."""
        self._flush()
        self._in_body = False

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

    common = _lines(common_headers(production=False))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stopping: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_OneWrite(transport, self.loop, self.common))  # type: ignore[arg-type]
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

    def shutdown(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            # uvicorn would close it at once, also under a request that a proxy is just sending.
            self._unset_keepalive_if_required()
            self._stopping = self.loop.call_later(LAST_CALL, self.transport.close)
        else:
            super().shutdown()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arrived()
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        if self._stopping is not None:
            self._stopping.cancel()
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        transport: Any = self.transport
        transport.answered()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        request_id = new_id()
        answer = problem(Malformed("The request can't be read as HTTP/1.1."), request_id)
        answer.headers["x-request-id"] = request_id
        answer.headers["connection"] = "close"
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + _lines(answer.raw_headers) + b"\r\n")
        self.transport.write(bytes(answer.body))
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


class ProductionProtocol(Protocol):
    """The same, for answers that went through TLS."""

    common = _lines(common_headers(production=True))
