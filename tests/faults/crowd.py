"""Many sockets in one thread, without a client library: what they hear is all that they know."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.clock import now
from tests.support.sockets import frame, upgrade

_PING, _PONG, _CLOSE = 9, 10, 8


@dataclass
class Member:
    """One socket: how often it was connected, and when it was sent each board since it was the last time."""

    token: str
    heard: dict[tuple[str, int], float] = field(default_factory=dict)
    connected: int = 0
    closed: bool = False

    async def stay(self, port: int) -> None:
        """Listen; connect again, with jitter, whenever the connection is lost."""
        while True:
            try:
                await self.listen(port)
            except (OSError, EOFError):
                self.closed = True
            await asyncio.sleep(random.uniform(0, 1))

    async def listen(self, port: int) -> None:
        """Open the socket and hear until it is lost."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(upgrade(self.token))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head:
                raise ConnectionError(head.decode())
            self.connected += 1
            self.heard.clear()
            while True:
                opcode, payload = await _frame(reader)
                if opcode == _PING:
                    writer.write(frame(_PONG, payload))
                elif opcode == _CLOSE:
                    self.closed = True
                    return
                else:
                    self._hear(payload)
        finally:
            writer.close()

    def _hear(self, payload: bytes) -> None:
        message = json.loads(payload)
        if message["type"] == "top_scores_update":
            self.heard[message["epoch"], message["version"]] = now()


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, size = await reader.readexactly(2)
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    return first & 15, await reader.readexactly(size)


async def until(look: Callable[[], bool], *, within: float) -> None:
    """Wait until what is seen is true, while everybody goes on listening."""
    ends = now() + within
    while not look():
        if now() > ends:
            raise TimeoutError(f"it did not come about within {within} s")
        await asyncio.sleep(0.02)
