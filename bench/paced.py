"""A load generator that sends at a rate, however long answers take: `python -m bench.paced PLAN.json`.

What is due while all connections wait counts from when it was due, so that a stall is seen in full.
"""

import asyncio
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec


class PacedPlan(msgspec.Struct, frozen=True):
    """`rates` requests a second of each kind, for so long; `requests` are sent in turn, whole."""

    port: int
    seconds: float
    rates: dict[str, float]
    requests: dict[str, list[str]]
    connections: int = 32


class Paced(msgspec.Struct):
    """Seconds from when each request was due to its answer by kind, how many answers were another than 2xx."""

    latencies: dict[str, list[float]]
    others: int
    cpu_seconds: float


async def _send(kind: str, plan: PacedPlan, result: Paced, free: "asyncio.Queue[int]", began: float) -> None:
    connections: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
    requests = _for_ever(plan.requests[kind])
    running: set[asyncio.Task[None]] = set()

    async def one(request: bytes, due: float) -> None:
        place = await free.get()
        if place not in connections:
            connections[place] = await asyncio.open_connection("127.0.0.1", plan.port)
        reader, writer = connections[place]
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        await reader.readexactly(int(length))
        free.put_nowait(place)
        result.latencies[kind].append(time.perf_counter() - due)
        result.others += head[9:10] != b"2"

    for number in range(int(plan.rates[kind] * plan.seconds)):
        due = began + number / plan.rates[kind]
        await asyncio.sleep(due - time.perf_counter())
        task = asyncio.create_task(one(next(requests), due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    for _, writer in connections.values():
        writer.close()


def _for_ever(texts: list[str]) -> Iterator[bytes]:
    while True:
        for text in texts:
            yield text.encode()


async def run(plan: PacedPlan) -> Paced:
    """Send everything, and wait for all answers."""
    result = Paced({kind: [] for kind in plan.rates}, 0, 0.0)
    began = time.perf_counter() + 0.1
    async with asyncio.TaskGroup() as kinds:
        for kind in plan.rates:
            free: asyncio.Queue[int] = asyncio.Queue()
            for place in range(plan.connections):
                free.put_nowait(place)
            kinds.create_task(_send(kind, plan, result, free, began))
    used = resource.getrusage(resource.RUSAGE_SELF)
    result.cpu_seconds = used.ru_utime + used.ru_stime
    return result


if __name__ == "__main__":
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=PacedPlan)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(run(plan))))
