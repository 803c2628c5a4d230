"""A player's own reads wait for each other, and nobody else waits for them."""

import asyncio
import threading

import pytest

from app.concurrency.reads import Reads
from app.concurrency.threads import Threads
from app.domain.errors import Overloaded
from app.domain.ids import UserId
from tests.support.loop import turns

ALICE, BOB = UserId("alice"), UserId("bob")


def test_reads_of_one_player_leave_a_thread_to_the_others() -> None:
    async def scene() -> str:
        reads, gate = Reads(Threads("reads", 2, depth=200)), threading.Event()
        slow = [asyncio.create_task(reads.run(ALICE, gate.wait, 30)) for _ in range(32)]
        await turns()
        try:
            return await reads.run(BOB, str, "answered")
        finally:
            gate.set()
            await asyncio.gather(*slow)
            reads.close()

    assert asyncio.run(scene()) == "answered"


def test_reads_waiting_too_long_for_their_players_are_refused() -> None:
    async def scene() -> None:
        reads, gate = Reads(Threads("reads", 2, depth=200), patience=0.05), threading.Event()
        slow = asyncio.create_task(reads.run(ALICE, gate.wait, 30))
        await turns()
        try:
            with pytest.raises(Overloaded):
                await reads.run(ALICE, str, "answered")
        finally:
            gate.set()
            await slow
        assert await reads.run(ALICE, str, "answered") == "answered"
        reads.close()

    asyncio.run(scene())
