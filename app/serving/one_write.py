"""The transport of an HTTP connection: sends in one write what uvicorn writes in pieces."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from app.http.answers import API_POLICY, Header

_CONTINUE = b"HTTP/1.1 100 "
_OWN_POLICY = b"\r\ncontent-security-policy: "


def lines(headers: Iterable[Header]) -> bytes:
    """Return the headers as they are sent."""
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers)


_API_POLICY = lines([API_POLICY])


class OneWrite:
    """A transport that completes an answer's head, and sends it together with its body: in one system call and packet.

    uvicorn encodes each header of each answer; those that every answer has are added here as ready-made bytes.
    `on_close` is called when the connection is being closed: what the peer does not read would keep it open.
    """

    def __init__(
        self, transport: Any, loop: asyncio.AbstractEventLoop, common: bytes, on_close: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._common = common
        self._on_close = on_close
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

    def write_whole(self, head: bytes, body: bytes) -> None:
        """Write an answer without a policy of its own, to whose head only what every answer has is to be added."""
        self._flush()
        self._transport.write(b"".join((head, self._common, _API_POLICY, b"\r\n", body)))

    def answered(self) -> None:
        """Treat what is written next as the head of the next answer."""
        self._flush()
        self._in_body = False

    def close(self) -> None:
        self._flush()
        self._transport.close()
        self._on_close()

    def plain(self) -> Any:
        """Return the transport itself, for a connection that is upgraded to another protocol."""
        self._flush()
        return self._transport

    def _flush(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
