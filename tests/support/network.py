"""The network between two processes: a proxy that can lose connections on the way, and can speak TLS."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable
from typing import Literal, Self

Cut = Literal["before", "after"]
"""When a connection is cut: before the server has what the client sends, or after that, when its answer is lost."""


class Proxy:
    """Forwards connections from a port of its own to another port of this machine, in a thread of its own.

    Args:
        to: the server's port.
        cut: called with the number of the connection and each piece that its client sends.
        tls: spoken with clients, not with the server.
    """

    def __init__(
        self, to: int, cut: Callable[[int, bytes], Cut | None] = lambda *_: None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._to = to
        self._cut = cut
        self._tls = tls
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy")
        self._connections = 0
        self.then: Callable[[], object] = lambda: None
        """Called in a thread after each cut."""
        self.open = True
        """Whether further connections are forwarded."""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls, backlog=4096)
        self.port = int(server.sockets[0].getsockname()[1])
        self._listening.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        task = asyncio.create_task(self._forward(self._connections, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, number: int, requests: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        deaf = False

        async def forth() -> None:
            nonlocal deaf
            while data := await requests.read(65536):
                cut = self._cut(number, data)
                if cut == "before":
                    client.transport.abort()
                    server.transport.abort()
                else:
                    deaf = deaf or cut == "after"
                    server.write(data)
                    await server.drain()
                if cut:
                    # The end of the other direction ends this one; but what was to happen then happens.
                    await asyncio.shield(asyncio.to_thread(self.then))

        async def back() -> None:
            while (data := await answers.read(65536)) and not deaf:
                client.write(data)
                await client.drain()

        try:
            if self.open:
                answers, server = await asyncio.open_connection("127.0.0.1", self._to)
                try:
                    ends = [asyncio.create_task(forth()), asyncio.create_task(back())]
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                    for end in ends:
                        end.cancel()
                    await asyncio.gather(*ends, return_exceptions=True)
                finally:
                    await _close(server)
        except OSError:
            pass  # the server is away
        except asyncio.CancelledError:
            client.transport.abort()
            raise
        finally:
            await _close(client)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
