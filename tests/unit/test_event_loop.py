"""Connections that come while the loop has much to do."""

import asyncio
import socket
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from app.serving.event_loop import Loop

WAITING = 300


class Echo(asyncio.Protocol):
    def __init__(self, made: "list[Echo]") -> None:
        self.made = made
        self.no_delay = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.no_delay = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        self.made.append(self)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def play(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario on a loop of the kind; no callback may fail in it."""
    complaints: list[object] = []

    async def bounded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        async with asyncio.timeout(20):
            await scenario

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(bounded())
    assert complaints == []


def test_waiting_connections_are_accepted_within_few_long_turns() -> None:
    async def scenario() -> None:
        made: list[Echo] = []
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Echo(made), sock=listener, backlog=WAITING)
        peers = [socket.create_connection(address, timeout=5) for _ in range(WAITING)]
        turns = 0
        while len(made) < WAITING:
            time.sleep(0.01)  # noqa: ASYNC251 - this is the much that there is to do
            await asyncio.sleep(0)
            turns += 1
            assert turns < WAITING / 2, f"{len(made)} were taken"
        assert all(echo.no_delay for echo in made)
        for peer in (peers[0], peers[-1]):
            peer.setblocking(False)
            peer.send(b"hello")
            assert await loop.sock_recv(peer, 10) == b"hello"
        server.close()
        await asyncio.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        for peer in peers:
            peer.close()

    play(scenario())


def test_waiting_connection_that_has_gone_does_no_harm() -> None:
    async def scenario() -> None:
        made: list[Echo] = []
        listener = socket.create_server(("127.0.0.1", 0))
        server = await asyncio.get_running_loop().create_server(lambda: Echo(made), sock=listener)
        for number in range(20):
            peer = socket.create_connection(listener.getsockname(), timeout=5)
            if number < 19:  # reset, not merely closed
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                peer.close()
        assert not made
        time.sleep(0.1)  # noqa: ASYNC251
        await asyncio.sleep(0.2)
        server.close()
        peer.close()
        assert made

    play(scenario())
