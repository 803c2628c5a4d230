"""A thousand listeners in one thread, half by sockets and half by streams: what they are sent, and how late."""

import asyncio
import re
import threading
import time
from datetime import datetime

from tests.support.sockets import frame, upgrade
from tests.support.streams import PATH

_PING, _PONG, _CLOSE = 9, 10, 8
_BOARD = re.compile(
    rb'"type":"top_scores_update","board":"[^"]*","epoch":"([^"]*)","version":(\d+),.*"timestamp":"([^"]*)"'
)


class Audience:
    """Listeners that stay for as long as they are let; what goes wrong for one of them is in `faults`."""

    def __init__(self, port: int, token: str, sockets: int, streams: int) -> None:
        self.faults: list[str] = []
        self.last: dict[int, tuple[str, int]] = {}
        self._late: list[float] = []
        self._ending = False
        listeners = [*(self._socket(number, port, token) for number in range(sockets))]
        listeners += [self._stream(number, port) for number in range(sockets, sockets + streams)]
        self._loop = asyncio.new_event_loop()
        self._tasks = [self._loop.create_task(it) for it in listeners]
        self._thread = threading.Thread(target=self._run, name="audience")
        self._thread.start()

    def late(self) -> list[float]:
        """Return, and forget, the seconds from each version's commit to each listener."""
        late, self._late = self._late, []
        return late

    def close(self) -> None:
        """Let everybody leave."""
        self._ending = True
        self._loop.call_soon_threadsafe(lambda: [it.cancel() for it in self._tasks])
        self._thread.join(30)

    def _run(self) -> None:
        async def all_of_them() -> None:
            results = await asyncio.gather(*self._tasks, return_exceptions=True)
            if not self._ending:
                self.faults.append(f"everybody is gone: {results[0]!r}")

        self._loop.run_until_complete(all_of_them())
        self._loop.close()

    async def _socket(self, number: int, port: int, token: str) -> None:
        reader, writer = await self._connect(number, port, upgrade(token), b" 101 ")
        try:
            while True:
                opcode, size = await reader.readexactly(2)
                length = int.from_bytes(await reader.readexactly(2)) if size == 126 else size
                payload = await reader.readexactly(length)
                if opcode & 15 == _PING:
                    writer.write(frame(_PONG, payload))
                elif opcode & 15 == _CLOSE:
                    raise ConnectionError(f"closed with {payload!r}")
                else:
                    self._hear(number, payload)
        except (OSError, EOFError) as error:
            self.faults.append(f"socket {number}: {error!r}")
        finally:
            writer.close()

    async def _stream(self, number: int, port: int) -> None:
        request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        reader, writer = await self._connect(number, port, request, b" 200 ")
        try:
            while True:
                size = int(await reader.readuntil(b"\r\n"), 16)
                event = await reader.readexactly(size + 2)
                if event.startswith(b"event: end"):
                    raise ConnectionError(f"ended by {event!r}")
                self._hear(number, event)
        except (OSError, EOFError) as error:
            self.faults.append(f"stream {number}: {error!r}")
        finally:
            writer.close()

    async def _connect(
        self, number: int, port: int, request: bytes, status: bytes
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await asyncio.sleep(number / 500)  # five hundred a second
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if status not in head:
            self.faults.append(f"listener {number}: {head!r}")
        return reader, writer

    def _hear(self, number: int, text: bytes) -> None:
        found = _BOARD.search(text)
        if found is None:
            return
        stamp = found[1].decode(), int(found[2])
        before = self.last.get(number)
        if before is not None:  # the first board may be of long ago
            self._late.append(time.time() - datetime.fromisoformat(found[3].decode()).timestamp())
            if before >= stamp:
                self.faults.append(f"listener {number} was sent {stamp} after {before}")
        self.last[number] = stamp
