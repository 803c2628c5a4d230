"""How much more two processes give than a user's bucket has: reads pass before Redis has heard of them.

Prints its figures: `bin/test tests/faults/test_overshoot.py -s`.
"""

import asyncio
import time

import pytest

from tests.support.people import Player
from tests.support.service import Process, Service

CAPACITY = 6000
"""Tokens of a bucket that is emptied in seconds, and gets one in 14."""
RESERVE = CAPACITY // 2
CONNECTIONS = 8


class Reads:
    """What a process answered to reads with one token, on a few connections."""

    def __init__(self, process: Process, token: str) -> None:
        self.given = self.refused = 0
        self.until_refused = 0.0
        """Seconds from the first read to the first refusal."""
        self._port = process.port
        head = f"GET /top-scores HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._request = head.encode()

    async def until_empty(self, connections: int = CONNECTIONS) -> None:
        """Read until each connection was refused ten times."""
        began = time.monotonic()
        async with asyncio.timeout(60):
            await asyncio.gather(*(self._connection(began) for _ in range(connections)))

    async def _connection(self, began: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        refused = 0
        while refused < 10:
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
            if head.startswith(b"http/1.1 200"):
                self.given += 1
                continue
            assert head.startswith(b"http/1.1 429"), head
            refused += 1
            self.refused += 1
            self.until_refused = self.until_refused or time.monotonic() - began
        writer.close()


@pytest.fixture(scope="module")
def processes(service: Service) -> list[Process]:
    """Two web processes with a limit on one Redis."""
    return [service.web(RATE_LIMIT_USER=f"{CAPACITY}/day") for _ in range(2)]


def test_processes_that_are_read_at_once_give_hardly_more_than_there_is(
    processes: list[Process], alice: Player
) -> None:
    async def run() -> list[Reads]:
        reads = [Reads(process, alice.token) for process in processes]
        await asyncio.gather(*(it.until_empty() for it in reads))
        return reads

    reads = asyncio.run(run())
    over = sum(it.given for it in reads) - CAPACITY
    seconds = max(it.until_refused for it in reads)
    print(f"\n{[it.given for it in reads]} reads in {seconds:.2f} s: {over} more than the bucket had")
    assert 0 <= over <= RESERVE


def test_process_that_knows_of_a_full_bucket_learns_that_it_is_empty(processes: list[Process], bob: Player) -> None:
    here, there = processes

    async def run() -> tuple[Reads, Reads]:
        first = Reads(here, bob.token)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(first._request)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        emptied, late = Reads(there, bob.token), Reads(here, bob.token)
        await emptied.until_empty()
        await late.until_empty()
        return emptied, late

    emptied, late = asyncio.run(run())
    print(f"\n{emptied.given} reads there, then {late.given} here, in {late.until_refused * 1000:.0f} ms")
    assert 0 <= emptied.given - (CAPACITY - 1) <= 5  # the process alone is exact
    assert 0 < late.given < RESERVE  # it is not the reserve that ended it
