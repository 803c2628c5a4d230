"""Threads for blocking calls: a bounded number at once, a bounded number waiting."""

import asyncio
import threading
from typing import NoReturn

import pytest

from app.concurrency.threads import Threads
from app.domain.errors import Overloaded
from tests.support.loop import Gate, outcome, play, turns, until


class Calls:
    """Calls that wait at the gate, and are counted."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.begun: list[int] = []

    def __call__(self, number: int, *, then: str = "done") -> str:
        self.begun.append(number)
        self.gate()
        return f"{then} {number}"


def test_threads_call_returns_from_another_thread() -> None:
    async def scenario() -> None:
        threads = Threads("test", 1, depth=1)
        thread = await threads.run(threading.current_thread)
        assert thread is not threading.current_thread()
        assert thread.name.startswith("test")
        assert await threads.run("{} {name}".format, 1, name="two") == "1 two"
        threads.close()

    play(scenario)


@pytest.mark.parametrize("error", [ValueError("its own"), TimeoutError("its own"), KeyError("its own")])
def test_threads_call_raises_what_it_raises(error: Exception) -> None:
    async def scenario() -> None:
        def fail() -> NoReturn:
            raise error

        threads = Threads("test", 1, depth=1)
        for _ in range(3):  # a failed call gives its place back
            answer = await outcome(threads.run(fail))
            assert (type(answer), str(answer)) == (type(error), str(error))
        threads.close()

    play(scenario)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_threads_run_only_so_many_calls_at_once(count: int) -> None:
    async def scenario() -> None:
        threads, calls = Threads("test", count, depth=10), Calls()
        tasks = [asyncio.create_task(threads.run(calls, number)) for number in range(count + 2)]
        await until(lambda: len(calls.begun) == count)
        await turns(10)
        assert sorted(calls.begun) == list(range(count))
        calls.gate.let_one_pass()
        await until(lambda: len(calls.begun) == count + 1)
        calls.gate.open()
        assert await asyncio.gather(*tasks) == [f"done {number}" for number in range(count + 2)]
        threads.close()

    play(scenario)


def test_threads_one_call_too_many_is_overloaded_at_once() -> None:
    async def scenario() -> None:
        threads, calls = Threads("test", 1, depth=2), Calls()
        tasks = [asyncio.create_task(threads.run(calls, number)) for number in range(2)]
        await until(lambda: calls.begun)
        one_too_many = threads.run(calls, 2)
        with pytest.raises(Overloaded) as refused:
            one_too_many.send(None)  # in its first step: it never waits
        assert (refused.value.status, refused.value.retry_after) == (503, 1)
        calls.gate.open()
        assert await asyncio.gather(*tasks) == ["done 0", "done 1"]
        assert await threads.run(calls, 3, then="again") == "again 3"
        assert calls.begun == [0, 1, 3]
        threads.close()

    play(scenario)


def test_threads_late_answer_is_overloaded_and_never_run_late() -> None:
    async def scenario() -> None:
        threads, calls = Threads("test", 1, depth=5, patience=0.3), Calls()
        late = await asyncio.gather(*(outcome(threads.run(calls, number)) for number in range(3)))
        assert [type(answer) for answer in late] == [Overloaded] * 3
        calls.gate.open()
        assert await threads.run(calls, 3) == "done 3"
        assert calls.begun == [0, 3]
        threads.close()

    play(scenario)


def test_threads_hanging_call_keeps_its_place_until_done() -> None:
    async def scenario() -> None:
        threads, calls = Threads("test", 1, depth=1, patience=0.3), Calls()
        assert isinstance(await outcome(threads.run(calls, 0)), Overloaded)
        with pytest.raises(Overloaded, match="Too many"):
            await threads.run(calls, 1)
        calls.gate.open()
        await until(lambda: threads._taken == 0)
        assert await threads.run(calls, 2) == "done 2"
        threads.close()

    play(scenario)


def test_threads_caller_leaving_takes_back_a_waiting_call_only() -> None:
    async def scenario() -> None:
        threads, calls = Threads("test", 1, depth=5), Calls()
        running, waiting, stays = (asyncio.create_task(threads.run(calls, number)) for number in range(3))
        await until(lambda: calls.begun)
        running.cancel()
        waiting.cancel()
        await turns()
        assert running.cancelled()
        assert waiting.cancelled()
        calls.gate.open()
        assert await stays == "done 2"
        assert calls.begun == [0, 2]
        threads.close()

    play(scenario)


def test_threads_error_is_ignored_when_its_caller_has_gone() -> None:
    async def scenario() -> None:
        gate = Gate()
        begun = threading.Event()

        def fail() -> None:
            begun.set()
            gate()
            raise ValueError("too late")

        threads = Threads("test", 1, depth=5)
        task = asyncio.create_task(threads.run(fail))
        await until(begun.is_set)
        task.cancel()
        await turns()
        gate.open()
        assert await threads.run(str, 1) == "1"
        assert task.cancelled()
        threads.close()

    play(scenario)


def test_threads_closing_ends_running_calls_and_refuses_more() -> None:
    async def scenario() -> None:
        threads, calls = Threads("test", 1, depth=5), Calls()
        running = asyncio.create_task(threads.run(calls, 0))
        await until(lambda: calls.begun)
        waiting = asyncio.create_task(outcome(threads.run(calls, 1)))
        await turns()
        threads.close()
        assert isinstance(await waiting, Overloaded)
        for _ in range(10):
            with pytest.raises(Overloaded, match="stopping"):
                await threads.run(calls, 2)
        calls.gate.open()
        assert await running == "done 0"
        assert calls.begun == [0]

    play(scenario)
