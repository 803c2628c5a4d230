"""Clients with a list of hosts, as they are when a host dies: players repeat elsewhere, sockets come back elsewhere."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.load import Caller, action_of, requests_of

PATIENCE = 5.0
"""Seconds after which a client asks another host."""

PAUSE = 0.2
"""Seconds before a client that got nowhere tries the next host."""


@dataclass
class Roamed:
    """What the clients saw: acknowledged completions, repeats, and how long each lost socket had no board, in s."""

    completed: list[str] = field(default_factory=list)
    repeated: int = 0
    away: list[float] = field(default_factory=list)
    still_away: int = 0


class _Player:
    """Plays over one connection at a time; whatever isn't answered is asked of the next host."""

    def __init__(self, caller: Caller, ports: Sequence[int], place: int, seen: Roamed) -> None:
        self._post, self._put, _ = requests_of(caller)
        self._ports, self._place, self._seen = ports, place, seen
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def play(self, until: Callable[[], bool]) -> None:
        while not until():
            action = action_of(await self._ask(self._post))
            await self._ask(self._put.replace(b"ACTION", action.encode(), 1))
            self._seen.completed.append(action)
        self._drop()

    async def _ask(self, request: bytes) -> bytes:
        while True:
            try:
                return await asyncio.wait_for(self._once(request), PATIENCE)
            except (OSError, EOFError, TimeoutError):
                self._drop()
                self._seen.repeated += 1
                self._place += 1
                await asyncio.sleep(PAUSE)

    async def _once(self, request: bytes) -> bytes:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._ports[self._place % len(self._ports)])
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
        answer = head + await reader.readexactly(length)
        if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            if answer.startswith(b"HTTP/1.1 503"):  # the same request may come again
                raise EOFError
            if b'"action-completed"' in answer:  # by the same request, whose answer the killed host didn't give
                return answer
            raise RuntimeError(f"unexpected: {answer.decode(errors='replace')}")
        return answer

    def _drop(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def _socket(caller: Caller, ports: Sequence[int], place: int, seen: Roamed) -> None:
    """Keep one socket open, elsewhere when it breaks, and note how long there was no board."""
    request = (
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {caller.token}\r\n\r\n"
    ).encode()
    lost: float | None = None
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", ports[place % len(ports)])
        except OSError:
            place += 1
            await asyncio.sleep(PAUSE)
            continue
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " in head and await reader.readexactly(2):  # the board that each is sent first begins
                if lost is not None:
                    seen.away.append(time.monotonic() - lost)
                    seen.still_away -= 1
                    lost = None
                while await reader.read(65_536):
                    pass
        except (OSError, EOFError):
            pass
        finally:
            writer.close()
        if lost is None:
            lost = time.monotonic()
            seen.still_away += 1
        place += 1
        await asyncio.sleep(PAUSE)


async def roam(
    callers: Sequence[Caller], ports: Sequence[int], sockets: int, kill: Callable[[], object], seconds: float
) -> Roamed:
    """Let players and sockets use all hosts, `kill` one after a third of the time, and tell what they saw."""
    seen = Roamed()
    began = time.monotonic()
    until = began + seconds
    watching = [
        asyncio.create_task(_socket(callers[place % len(callers)], ports, place, seen)) for place in range(sockets)
    ]
    playing = [
        asyncio.create_task(_Player(caller, ports, place, seen).play(lambda: time.monotonic() > until))
        for place, caller in enumerate(callers)
    ]
    try:
        await asyncio.sleep(seconds / 3)
        await asyncio.to_thread(kill)
        await asyncio.gather(*playing)
    finally:
        for task in (*playing, *watching):
            task.cancel()
        await asyncio.gather(*playing, *watching, return_exceptions=True)
    return seen
