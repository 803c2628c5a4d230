"""A wire with a length: `python -m bench.hosts.wire MILLISECONDS PORT FD…` hands on what comes to listening sockets.

It runs in the namespace of the host that it leads to; the sockets were made in those that it comes from. Each piece
goes on after the delay (whole milliseconds: the loop's clock knows no less), in both directions, in order. (tc netem
would do it without a process, but many kernels lack it, and then no two machines' figures could be compared.)
"""

import asyncio
import socket
import sys
from collections import deque
from typing import cast

import uvloop

MOST = 1_000_000
"""Bytes on their way in one direction; beyond them the sender waits."""


class _End(asyncio.Protocol):
    """One end of a connection; what it receives goes out of the `other` end later."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._under_way: deque[bytes] = deque()
        self._bytes = 0
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    @property
    def open(self) -> asyncio.Transport | None:
        """The transport, unless it is closed: the other end hears of that only after the delay."""
        return self.transport if self.transport and not self.transport.is_closing() else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._under_way.append(data)
        self._bytes += len(data)
        if self._bytes > MOST and self.open:
            self.open.pause_reading()
        asyncio.get_running_loop().call_later(self._delay, self._hand_on)

    def _hand_on(self) -> None:
        if not self.other or not self._under_way:  # not joined yet; or joined meanwhile, and handed on then
            return
        data = self._under_way.popleft()
        self._bytes -= len(data)
        if self.other.open:
            self.other.open.write(data)
        if self._bytes <= MOST and self.open:
            self.open.resume_reading()

    def join(self, other: "_End") -> None:
        """Send to this end from now on, first what has come before there was one."""
        self.other = other
        for _ in range(len(self._under_way)):
            self._hand_on()

    def pause_writing(self) -> None:
        if self.other and self.other.open:
            self.other.open.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.open:
            self.other.open.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        asyncio.get_running_loop().call_later(self._delay, self._close_other)

    def _close_other(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.close()


async def serve(delay: float, port: int, listening: list[socket.socket]) -> None:
    """Join each connection with one to our port, until we are ended."""
    loop = asyncio.get_running_loop()

    async def join(near: _End) -> None:
        far = _End(delay)
        far.other = near
        try:
            await loop.create_connection(lambda: far, "127.0.0.1", port)
        except OSError:  # nobody is there any more: the caller is to see that
            if near.transport:
                near.transport.abort()
            return
        near.join(far)
        if near.transport and near.transport.is_closing() and far.transport:
            far.transport.close()

    class Near(_End):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            joining.add(task := loop.create_task(join(self)))
            task.add_done_callback(joining.discard)

    joining: set[asyncio.Task[None]] = set()
    for one in listening:
        await loop.create_server(lambda: Near(delay), sock=one)
    await asyncio.Event().wait()


if __name__ == "__main__":
    milliseconds, to, *files = sys.argv[1:]
    uvloop.run(serve(int(milliseconds) / 1000, int(to), [socket.socket(fileno=int(it)) for it in files]))
