"""The Batcher on a real event loop, its work in threads: everybody gets what is theirs, whatever happens around."""

import asyncio
import gc
import itertools
import random
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from app.concurrency.batching import Batcher
from app.domain.errors import Conflict, DatabaseUnavailable, Overloaded, ScoreboardError
from tests.support.loop import Gate, outcome, play, turns, until


@dataclass(eq=False)
class Item:
    """An item, and what becomes of it: "result", "error", "poison", "stop" or "unavailable"."""

    number: int
    kind: str = "result"

    def __hash__(self) -> int:
        raise TypeError("a batcher must not ask this of its items")


class OwnError(Exception):
    """An error that stands for one item in the results."""


class Poisoned(Exception):
    """What `run` raises when a poisoned item is in its batch."""


@dataclass
class Work:
    """What a batcher runs here: it records each batch, and waits at the gate."""

    gate: Gate = field(default_factory=lambda: Gate(open=True))
    batches: list[list[int]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, items: Sequence[Item]) -> list[str | BaseException]:
        with self.lock:
            self.batches.append([item.number for item in items])
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.gate()
            return self.answers(items)
        finally:
            with self.lock:
                self.at_once -= 1

    def answers(self, items: Sequence[Item]) -> list[str | BaseException]:
        for item in items:
            if item.kind == "poison":
                raise Poisoned(item.number)
            if item.kind == "stop":
                next(iter(()))
            if item.kind == "unavailable":
                raise DatabaseUnavailable(str(item.number))
        return [OwnError(item.number) if item.kind == "error" else f"result {item.number}" for item in items]

    @property
    def ran(self) -> set[int]:
        return set(itertools.chain.from_iterable(self.batches))


def in_thread(work: Callable[[Sequence[Item]], Any]) -> Callable[[Sequence[Item]], Awaitable[Any]]:
    """Do work in a thread, where it may block."""

    async def run(items: Sequence[Item]) -> Any:
        done: list[Any] = []

        def call() -> None:
            try:
                done.append(work(items))
            except Exception as error:
                done.append(error)

        await asyncio.to_thread(call)
        if isinstance(done[0], Exception):
            raise done[0]
        return done[0]

    return run


def batcher(work: Callable[[Sequence[Item]], Any], **options: Any) -> Batcher[Item, str]:
    return Batcher("test", in_thread(work), **{"patience": 60.0, **options})


def plain(*numbers: int) -> list[Item]:
    return [Item(number) for number in numbers]


async def submit_all(target: Batcher[Item, str], items: Sequence[Item]) -> list["asyncio.Task[Any]"]:
    """Submit, in order, and come back when all of them wait or run."""
    tasks = [asyncio.create_task(outcome(target.submit(item))) for item in items]
    await turns()
    return tasks


def test_batcher_idle_runs_a_single_item_at_once() -> None:
    async def scenario() -> None:
        work = Work()
        idle = batcher(work)
        for number in range(3):
            began = asyncio.get_running_loop().time()
            assert await idle.submit(Item(number)) == f"result {number}"
            assert asyncio.get_running_loop().time() - began < 1
        assert work.batches == [[0], [1], [2]]
        idle.close()

    play(scenario)


def test_batcher_runs_items_of_one_turn_together_in_order() -> None:
    async def scenario() -> None:
        work = Work()
        target = batcher(work)
        assert await asyncio.gather(*map(target.submit, plain(3, 1, 2))) == ["result 3", "result 1", "result 2"]
        assert work.batches == [[3, 1, 2]]
        target.close()

    play(scenario)


def test_batcher_puts_arrivals_during_a_batch_into_the_next() -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=1)
        tasks = await submit_all(target, plain(0))
        await until(lambda: work.batches)
        for number in (5, 4, 3, 2, 1):
            tasks += await submit_all(target, plain(number))
        assert work.batches == [[0]]
        work.gate.open()
        assert await asyncio.gather(*tasks) == [f"result {number}" for number in (0, 5, 4, 3, 2, 1)]
        assert work.batches == [[0], [5, 4, 3, 2, 1]]
        target.close()

    play(scenario)


@pytest.mark.parametrize(
    ("limit", "sizes"), [(1, [1] * 7), (2, [2, 2, 2, 1]), (3, [3, 3, 1]), (6, [6, 1]), (7, [7]), (8, [7])]
)
def test_batcher_batch_has_at_most_the_limit(limit: int, sizes: list[int]) -> None:
    async def scenario() -> None:
        work = Work()
        target = batcher(work, lanes=1, limit=limit)
        await asyncio.gather(*map(target.submit, plain(*range(7))))
        assert [len(batch) for batch in work.batches] == sizes
        assert list(itertools.chain.from_iterable(work.batches)) == list(range(7))
        target.close()

    play(scenario)


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_batcher_runs_as_many_batches_at_once_as_lanes(lanes: int) -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=lanes)
        tasks = []
        for number in range(lanes):
            tasks += await submit_all(target, plain(number))
            await until(lambda number=number: len(work.batches) == number + 1)  # type: ignore[misc]
        tasks += await submit_all(target, plain(*range(lanes, lanes + 5)))
        assert work.batches == [[number] for number in range(lanes)]
        work.gate.let_one_pass()
        await until(lambda: len(work.batches) == lanes + 1)
        assert work.batches[-1] == list(range(lanes, lanes + 5))
        work.gate.open()
        assert await asyncio.gather(*tasks) == [f"result {number}" for number in range(lanes + 5)]
        assert work.most_at_once == lanes
        target.close()

    play(scenario)


def test_batcher_error_in_the_results_goes_to_its_item_alone() -> None:
    async def scenario() -> None:
        work = Work()
        target = batcher(work)
        items = [Item(0), Item(1, "error"), Item(2), Item(3, "error")]
        got = [await task for task in await submit_all(target, items)]
        assert got[0::2] == ["result 0", "result 2"]
        assert [(type(error), error.args) for error in got[1::2]] == [(OwnError, (1,)), (OwnError, (3,))]
        assert work.batches == [[0, 1, 2, 3]]
        target.close()

    play(scenario)


@pytest.mark.parametrize("poison", ["poison", "stop"])
@pytest.mark.parametrize("places", [(0,), (2,), (4,), (0, 4), (1, 2, 3)])
def test_batcher_poisoned_item_fails_alone(poison: str, places: tuple[int, ...]) -> None:
    async def scenario() -> None:
        work = Work()
        target = batcher(work)
        items = [Item(number, poison if number in places else "result") for number in range(5)]
        got = [await task for task in await submit_all(target, items)]
        assert [number for number in range(5) if got[number] != f"result {number}"] == list(places)
        for place in places:
            assert isinstance(got[place], Poisoned if poison == "poison" else RuntimeError)
        assert work.batches == [[0, 1, 2, 3, 4], [0], [1], [2], [3], [4]]
        assert await target.submit(Item(5)) == "result 5"
        target.close()

    play(scenario)


def test_batcher_poisoned_item_by_itself_is_not_tried_twice() -> None:
    async def scenario() -> None:
        work = Work()
        target = batcher(work)
        with pytest.raises(Poisoned):
            await target.submit(Item(0, "poison"))
        assert work.batches == [[0]]
        target.close()

    play(scenario)


def test_batcher_expected_error_of_run_answers_its_batch_alone() -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=1)
        tasks = await submit_all(target, plain(0))
        await until(lambda: work.batches)
        tasks += await submit_all(target, [Item(1), Item(2, "unavailable"), Item(3)])
        work.gate.open()
        first, *others = await asyncio.gather(*tasks)
        assert first == "result 0"
        assert [(type(error), error.detail) for error in others] == [(DatabaseUnavailable, "2")] * 3
        assert work.batches == [[0], [1, 2, 3]]  # not one by one: the database is away for each of them
        assert await target.submit(Item(4)) == "result 4"
        target.close()

    play(scenario)


@pytest.mark.parametrize("wrong", [[], ["one"], ["one", "two", "three", "four"], None, 7])
def test_batcher_wrong_number_of_results_is_nobodys(wrong: Any) -> None:
    async def scenario() -> None:
        def run(items: Sequence[Item]) -> Any:
            return wrong if len(items) == 3 else [f"result {item.number}" for item in items]

        target = batcher(run)
        assert await asyncio.gather(*map(target.submit, plain(0, 1, 2))) == ["result 0", "result 1", "result 2"]
        target.close()

    play(scenario)


def test_batcher_wrong_number_of_results_is_an_error_naming_it() -> None:
    async def scenario() -> None:
        target = batcher(lambda items: [])
        with pytest.raises(RuntimeError, match="test: 0 results for 1 items"):
            await target.submit(Item(0))
        target.close()

    play(scenario)


def test_batcher_full_queue_is_overloaded_until_it_has_room() -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=1, depth=2)
        tasks = await submit_all(target, plain(0))
        await until(lambda: work.batches)
        assert target.unanswered == 1
        tasks += await submit_all(target, plain(1, 2))
        assert target.unanswered == 3
        one_too_many = target.submit(Item(3))
        with pytest.raises(Overloaded) as refused:
            one_too_many.send(None)  # in its first step: it never waits
        assert (refused.value.status, refused.value.retry_after) == (503, 1)
        assert target.offer(Item(4)) is False
        work.gate.open()
        assert await asyncio.gather(*tasks) == ["result 0", "result 1", "result 2"]
        assert await target.submit(Item(5)) == "result 5"
        assert target.unanswered == 0
        assert work.ran == {0, 1, 2, 5}
        target.close()

    play(scenario)


def test_batcher_late_answer_is_overloaded_and_never_run_late() -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=1, patience=0.3)
        running = await submit_all(target, plain(0))
        await until(lambda: work.batches)
        queued = await submit_all(target, plain(1, 2))
        for late in await asyncio.gather(*running, *queued):
            assert isinstance(late, Overloaded)
            assert late.retry_after == 1
        work.gate.open()
        await until(lambda: work.at_once == 0)
        assert await target.submit(Item(3)) == "result 3"
        assert work.batches == [[0], [3]]
        target.close()

    play(scenario)


def test_batcher_patience_is_each_callers_own() -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=1, patience=0.3)
        early = await submit_all(target, plain(0))
        await until(lambda: work.batches)
        assert isinstance(await early[0], Overloaded)
        late = await submit_all(target, plain(1))
        assert not late[0].done()
        work.gate.open()
        assert await late[0] == "result 1"
        # The one who came late is watched as well.
        work.gate = Gate()
        assert isinstance((await asyncio.gather(*await submit_all(target, plain(2))))[0], Overloaded)
        work.gate.open()
        target.close()

    play(scenario)


def test_batcher_item_cancelled_in_the_queue_is_never_run() -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=1)
        first = await submit_all(target, plain(0))
        await until(lambda: work.batches)
        queued = [asyncio.create_task(target.submit(item)) for item in plain(1, 2, 3)]
        await turns()
        queued[1].cancel()
        work.gate.open()
        assert await first[0] == "result 0"
        assert [await queued[0], await queued[2]] == ["result 1", "result 3"]
        assert queued[1].cancelled()
        assert work.batches == [[0], [1, 3]]
        assert target.unanswered == 0, "who left waits no more"
        target.close()

    play(scenario)


def test_batcher_lane_is_free_once_its_queue_was_cancelled() -> None:
    async def scenario() -> None:
        work = Work()
        target = batcher(work, lanes=1)
        for _ in range(3):
            task = asyncio.create_task(target.submit(Item(0)))
            await asyncio.sleep(0)  # it waits in the queue now, and the lane is about to take it
            task.cancel()
            await turns()
        assert await target.submit(Item(1)) == "result 1"
        assert work.ran == {1}
        assert target.unanswered == 0
        target.close()

    play(scenario)


@pytest.mark.parametrize("kind", ["result", "error", "poison", "unavailable"])
def test_batcher_item_cancelled_while_it_runs_hurts_nobody(kind: str) -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=1)
        gone = asyncio.create_task(target.submit(Item(0, kind)))
        stays = await submit_all(target, plain(1))
        await until(lambda: work.batches)
        gone.cancel()
        await turns()
        assert gone.cancelled()
        work.gate.open()
        answer = await stays[0]
        assert answer == "result 1" or (kind == "unavailable" and isinstance(answer, DatabaseUnavailable))
        target.close()

    play(scenario)


@pytest.mark.parametrize("kind", ["result", "error", "poison", "unavailable"])
def test_batcher_item_cancelled_at_its_answer_leaves_no_error(kind: str) -> None:
    async def scenario() -> None:
        work = Work()
        target = batcher(work, lanes=1)
        answered = asyncio.Event()
        gone = asyncio.create_task(target.submit(Item(0, kind)))
        neighbour = asyncio.create_task(outcome(target.submit(Item(1))))
        neighbour.add_done_callback(lambda _: answered.set())
        gone.add_done_callback(lambda task: task.cancelled() or task.exception())
        await until(lambda: work.batches)
        while not gone.done():
            # Each of these may fall between the future's answer and the task's next step.
            asyncio.get_running_loop().call_soon(gone.cancel)
            await asyncio.sleep(0)
        await answered.wait()
        target.close()

    play(scenario)


def test_batcher_offer_is_run_and_its_error_is_ignored() -> None:
    async def scenario() -> None:
        work = Work()
        target = batcher(work)
        for number, kind in enumerate(["result", "error", "poison", "unavailable", "stop"]):
            assert target.offer(Item(number, kind))
        await until(lambda: work.ran == {0, 1, 2, 3, 4} and work.at_once == 0)
        assert await target.submit(Item(5)) == "result 5"
        target.close()

    play(scenario)


def test_batcher_offer_that_expired_leaves_no_error_behind() -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=1, patience=0.3)
        target.offer(Item(0))
        await until(lambda: work.batches)
        target.offer(Item(1))
        assert isinstance(await outcome(target.submit(Item(2))), Overloaded)
        work.gate.open()
        assert await target.submit(Item(3)) == "result 3"
        assert work.ran == {0, 3}
        target.close()

    play(scenario)


def test_batcher_offer_failing_in_the_last_turn_leaves_no_error() -> None:
    complaints: list[str] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: complaints.append(repr(context)))
        work = Work(Gate())
        target = batcher(work, lanes=1)
        target.offer(Item(0))
        await until(lambda: work.batches)
        target.offer(Item(1))
        loop.call_soon(target.close)  # in the turn in which the loop stops
        work.gate.open()

    asyncio.run(scenario())
    gc.collect()
    assert complaints == []


def test_batcher_closing_ends_running_batches_and_refuses_more() -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=1)
        running = await submit_all(target, plain(0, 1))
        await until(lambda: work.batches)
        queued = await submit_all(target, plain(2, 3))
        target.offer(Item(4))
        target.close()
        assert [type(await task) for task in queued] == [Overloaded, Overloaded]
        with pytest.raises(Overloaded):
            await target.submit(Item(5))
        assert target.offer(Item(6)) is False
        work.gate.open()
        assert await asyncio.gather(*running) == ["result 0", "result 1"]
        await turns()
        assert work.batches == [[0, 1]]
        target.close()

    play(scenario)


def test_batcher_closing_in_the_turn_of_a_submit_answers_it() -> None:
    async def scenario() -> None:
        work = Work()
        target = batcher(work)
        task = asyncio.create_task(outcome(target.submit(Item(0))))
        await asyncio.sleep(0)
        target.close()
        assert isinstance(await task, Overloaded)
        assert work.batches == []

    play(scenario)


def test_batcher_closing_waits_for_a_hanging_batch_with_patience() -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, patience=0.3)
        tasks = await submit_all(target, plain(0))
        await until(lambda: work.batches)
        target.close()
        assert isinstance(await tasks[0], Overloaded)
        work.gate.open()

    play(scenario)


def test_batcher_same_item_twice_is_two_items() -> None:
    async def scenario() -> None:
        target = batcher(lambda items: [f"place {place}" for place, _ in enumerate(items)], lanes=1)
        item = Item(0)
        assert await asyncio.gather(*map(target.submit, [item, item])) == ["place 0", "place 1"]
        target.close()

    play(scenario)


KINDS = st.sampled_from(["result", "result", "result", "error", "poison", "stop", "unavailable"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), KINDS),
        st.tuples(st.just("submit"), st.just("result")),
        st.tuples(st.just("offer"), KINDS),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
        st.tuples(st.just("pass"), st.none()),
        st.tuples(st.just("begun"), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=25)
@given(lanes=st.integers(1, 3), limit=st.integers(1, 6), depth=st.integers(1, 12), steps=STEPS)
def test_batcher_gives_each_its_own_whatever_the_interleaving(
    lanes: int, limit: int, depth: int, steps: list[tuple[str, Any]]
) -> None:
    async def scenario() -> None:
        work = Work(Gate())
        target = batcher(work, lanes=lanes, limit=limit, depth=depth)
        items: list[Item] = []
        tasks: dict[int, asyncio.Task[str]] = {}
        cancelled: set[int] = set()
        for step, detail in steps:
            match step:
                case "submit":
                    items.append(Item(len(items), detail))
                    tasks[items[-1].number] = asyncio.create_task(target.submit(items[-1]))
                case "offer":
                    items.append(Item(len(items), detail))
                    # Not now: those who were submitted before come first, and they begin in the loop's next turn.
                    asyncio.get_running_loop().call_soon(target.offer, items[-1])
                case "cancel" if detail in tasks and not tasks[detail].done():
                    tasks[detail].cancel()
                    cancelled.add(detail)
                case "turn":
                    await turns(detail)
                case "pass":
                    work.gate.let_one_pass()
                case "begun":
                    await turns(1)
                    if work.at_once == 0 and any(not task.done() for task in tasks.values()):
                        await until(lambda: work.at_once or all(task.done() for task in tasks.values()))
        work.gate.open()
        answers = dict(zip(tasks, await asyncio.gather(*tasks.values(), return_exceptions=True), strict=True))
        target.close()
        check(work, items, answers, cancelled, lanes, limit)

    play(scenario)


def check(work: Work, items: list[Item], answers: dict[int, Any], cancelled: set[int], lanes: int, limit: int) -> None:
    assert work.most_at_once <= lanes
    first_batch: dict[int, list[int]] = {}
    for batch in work.batches:
        assert 1 <= len(batch) <= limit
        assert batch == sorted(batch)  # in order of arrival
        for number in batch:
            first_batch.setdefault(number, batch)
    if lanes == 1:
        assert list(first_batch) == sorted(first_batch)
    for number, answer in answers.items():
        kind = items[number].kind
        if number in cancelled and isinstance(answer, asyncio.CancelledError):
            event("cancelled")
            continue
        if number not in first_batch:
            assert isinstance(answer, Overloaded)
            event("overloaded")
            continue
        neighbours = [items[other] for other in first_batch[number]]
        event(f"{kind} of {min(len(neighbours), 3)}")
        if isinstance(answer, DatabaseUnavailable):
            culprit = items[int(answer.detail)]
            assert culprit in neighbours
            assert culprit.kind == "unavailable"
        elif kind == "result":
            assert answer == f"result {number}"
        elif kind == "error":
            assert (type(answer), answer.args) == (OwnError, (number,))
        elif kind == "poison":
            assert (type(answer), answer.args) == (Poisoned, (number,))
        else:
            assert kind == "stop"
            assert type(answer) is RuntimeError


@pytest.mark.parametrize("seed", range(3))
def test_batcher_serves_thousands_with_poison_and_leavers(seed: int) -> None:
    async def scenario() -> None:
        chance = random.Random(seed)
        kinds = ["result"] * 60 + ["error", "poison", "stop"]
        items = [Item(number, chance.choice(kinds)) for number in range(3000)]
        work = Work()
        target = batcher(work, lanes=3, limit=64)

        async def caller(item: Item) -> Any:
            await turns(chance.randrange(20))
            return await target.submit(item)

        tasks = {item.number: asyncio.create_task(caller(item)) for item in items}
        leavers = set(chance.sample(range(3000), 300))
        for number in leavers:
            asyncio.get_running_loop().call_later(chance.random() * 0.02, tasks[number].cancel)
        answers = dict(zip(tasks, await asyncio.gather(*tasks.values(), return_exceptions=True), strict=True))
        target.close()
        for number, answer in answers.items():
            if number in leavers and isinstance(answer, asyncio.CancelledError):
                continue
            expected = {"result": str, "error": OwnError, "poison": Poisoned, "stop": RuntimeError}
            assert type(answer) is expected[items[number].kind]
            assert str(number) in str(answer) or items[number].kind == "stop"
        assert work.most_at_once <= 3
        assert max(map(len, work.batches)) <= 64

    play(scenario)


def test_batcher_error_is_known_by_being_an_exception() -> None:
    async def scenario() -> None:
        refusal = Conflict("already done", action={"id": 1})

        async def refuse(items: Sequence[int]) -> Sequence[str | BaseException]:
            return [refusal for _ in items]

        target: Batcher[int, str] = Batcher("test", refuse)
        with pytest.raises(ScoreboardError) as raised:
            await target.submit(1)
        assert raised.value is refusal
        target.close()

    play(scenario)
