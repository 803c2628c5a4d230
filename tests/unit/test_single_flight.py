"""SingleFlight: one call serves everybody, and who leaves takes nobody along."""

import asyncio

import pytest

from app.concurrency.single_flight import SingleFlight, SingleFlights
from tests.support.loop import play, turns


def test_single_flight_one_call_serves_all_who_ask_meanwhile() -> None:
    async def scenario() -> None:
        flight: SingleFlight[int] = SingleFlight()
        calls, gate = 0, asyncio.Event()

        async def call() -> int:
            nonlocal calls
            calls += 1
            await gate.wait()
            return calls

        waiting = [asyncio.create_task(flight.run(call)) for _ in range(3)]
        await turns()
        gate.set()
        assert await asyncio.gather(*waiting) == [1, 1, 1]
        assert await flight.run(call) == 2, "the next one begins anew"

    play(scenario)


def test_single_flight_who_leaves_takes_nobody_along() -> None:
    async def scenario() -> None:
        flight: SingleFlight[str] = SingleFlight()
        gate = asyncio.Event()

        async def call() -> str:
            await gate.wait()
            return "landed"

        leaves, stays = (asyncio.create_task(flight.run(call)) for _ in range(2))
        await turns()
        leaves.cancel()
        await turns()
        gate.set()
        assert await stays == "landed"
        assert leaves.cancelled()

    play(scenario)


def test_single_flight_error_is_everybodys_but_not_the_next_ones() -> None:
    async def scenario() -> None:
        flight: SingleFlight[str] = SingleFlight()

        async def crash() -> str:
            raise ValueError("crashed")

        async def land() -> str:
            return "landed"

        for it in [asyncio.create_task(flight.run(crash)) for _ in range(2)]:
            with pytest.raises(ValueError, match="crashed"):
                await it
        assert await flight.run(land) == "landed"

    play(scenario)


def test_single_flights_share_a_call_of_the_same_key_alone() -> None:
    async def scenario() -> None:
        flights: SingleFlights[str] = SingleFlights()
        calls: list[str] = []
        gate = asyncio.Event()

        def asking(key: str) -> asyncio.Task[str]:
            async def call() -> str:
                calls.append(key)
                await gate.wait()
                if key == "broken":
                    raise LookupError(key)
                return key

            return asyncio.create_task(flights.run(key, call))

        leaves, *stay = [asking(key) for key in ("a", "a", "b", "broken")]
        await turns()
        leaves.cancel()
        gate.set()
        assert await asyncio.gather(*stay, return_exceptions=True) == ["a", "b", stay[-1].exception()]
        assert calls == ["a", "b", "broken"]
        assert await asking("a") == "a", "the next one begins anew"
        assert calls == ["a", "b", "broken", "a"]
        await turns()
        assert not flights._flights

    play(scenario)
