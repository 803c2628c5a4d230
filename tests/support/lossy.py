"""A network that loses one answer: it hands connections on to a port, and cuts the first that was asked a PUT."""

import asyncio
import contextlib
import sys

LOST = "the answer to a PUT was lost"


async def serve(port: int, target: int) -> None:
    """Take connections on a port for ever; what was lost is told on standard output."""
    lost = False

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked_to_put = False

        async def forth() -> None:
            nonlocal asked_to_put
            while data := await reader.read(65536):
                asked_to_put = asked_to_put or data.startswith(b"PUT ")
                server.write(data)

        async def back() -> None:
            nonlocal lost
            while data := await answers.read(65536):
                if asked_to_put and not lost:
                    lost = True
                    print(LOST, flush=True)
                    return
                writer.write(data)

        with contextlib.suppress(OSError):  # the service is away, or one side has gone
            answers, server = await asyncio.open_connection("127.0.0.1", target)
            ends = {asyncio.create_task(forth()), asyncio.create_task(back())}
            _, others = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in others:
                end.cancel()
            server.close()
        writer.close()

    async with await asyncio.start_server(carry, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":  # a process of its own: `Service` ends it with all that is still open
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
