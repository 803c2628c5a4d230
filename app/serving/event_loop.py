"""The event loop of a web process."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvloop

TAKE_EVERY = 0.05
"""Seconds."""

TAKE_AT_ONCE = 500

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class Loop(uvloop.Loop):
    """uvloop's event loop, but one that also accepts connections promptly under load.

    libuv accepts one connection in each turn of the loop, and the turns of an overloaded process are long: a thousand
    clients who connect at once, and the platform's probe behind them, would wait for a minute. So all that are waiting
    are accepted together every `TAKE_EVERY` seconds.
    """

    async def create_server(self, *args: Any, **kwargs: Any) -> Any:
        server = await super().create_server(*args, **kwargs)
        if (listener := kwargs.get("sock")) is not None:
            listener.setblocking(False)
            self.call_later(TAKE_EVERY, self._take, listener, args[0])
        return server

    def _take(self, listener: socket.socket, protocol_factory: ProtocolFactory) -> None:
        if listener.fileno() < 0:  # the server was closed
            return
        try:
            for _ in range(TAKE_AT_ONCE):
                self.create_task(self._connect(protocol_factory, listener.accept()[0]))
        except OSError:  # none waits; or, for now, no file can be opened
            pass
        self.call_later(TAKE_EVERY, self._take, listener, protocol_factory)

    async def _connect(self, protocol_factory: ProtocolFactory, peer: socket.socket) -> None:
        try:
            await self.connect_accepted_socket(protocol_factory, peer)
        except (OSError, asyncio.CancelledError):  # it has gone already, or we go
            peer.close()
