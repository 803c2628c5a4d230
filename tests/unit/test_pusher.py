"""Pushing several boards to a socket that reads slowly: the newest of each, in turns, and nothing queued."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from app.domain import messages
from app.domain.board_rules import BoardRule
from app.domain.ids import BoardId
from app.domain.signing import UNSIGNED, Signer
from app.live.board import LiveBoard
from app.live.push_latency import PushLatency
from app.live.pusher import MOST_ANSWERS, Pusher
from telemetry import metrics
from tests.support.loop import until

BOARDS = ("a", "b", "c")


class Source:
    """Feeds boards by hand."""

    signer: Signer = UNSIGNED
    fed = True

    def doubt(self) -> None:
        raise AssertionError("no update is of another epoch here")

    async def look(self) -> None:
        raise AssertionError("nobody asks")

    async def confirm(self, reached: Callable[[], bool]) -> bool:
        raise AssertionError("nobody has seen what is newer")


class Peer:
    """A socket that takes a message whenever the test says so."""

    messages = metrics.ws_messages

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.reads = asyncio.Semaphore(0)
        self.sending = False

    def send_ready(self, text: str) -> bool:
        return False

    async def send(self, text: str) -> None:
        self.sending = True
        await self.reads.acquire()
        self.sending = False
        self.taken.append(text)


def version(board: LiveBoard, number: int) -> messages.Update:
    return messages.update(board.board_id, ("e", number), [], datetime(2026, 1, 1, tzinfo=UTC))


async def three_boards(peer: Peer, *, interval: float = 0.0) -> tuple[Pusher, list[LiveBoard]]:
    pusher = Pusher(peer, interval, PushLatency(), tells_states=False)
    boards = [LiveBoard(BoardRule(id=BoardId(name), title=name), Source()) for name in BOARDS]
    for board in boards:
        board.update = version(board, 1)
        pusher.follow(board)
    return pusher, boards


def test_slow_socket_gets_the_newest_of_each_board_it_follows() -> None:
    async def scenario() -> None:
        peer = Peer()
        pusher, boards = await three_boards(peer)
        task = asyncio.create_task(pusher.run())
        await until(lambda: peer.sending)
        for number in range(2, 50):
            for board in boards:
                board.offer(version(board, number))
        for _ in range(4):
            peer.reads.release()
        await until(lambda: len(peer.taken) == 4)
        newest = {version(board, 49).text for board in boards}
        assert peer.taken[0] == version(boards[0], 1).text
        assert set(peer.taken[1:]) == newest
        await asyncio.sleep(0)
        assert not peer.sending, "there is nothing left to send"
        task.cancel()

    asyncio.run(scenario())


def test_board_that_changes_all_the_time_keeps_no_other_from_a_slow_socket() -> None:
    async def scenario() -> None:
        peer = Peer()
        pusher, boards = await three_boards(peer)
        task = asyncio.create_task(pusher.run())
        for number in range(2, 8):
            await until(lambda: peer.sending)
            boards[0].offer(version(boards[0], number))
            peer.reads.release()
            await until(lambda expected=number - 1: len(peer.taken) == expected)  # type: ignore[misc]
        assert {version(board, 1).text for board in boards[1:]} <= set(peer.taken[:3])
        task.cancel()

    asyncio.run(scenario())


def test_answers_that_a_slow_socket_does_not_take_are_bounded() -> None:
    async def scenario() -> None:
        peer = Peer()
        pusher, _ = await three_boards(peer)
        task = asyncio.create_task(pusher.run())
        await until(lambda: peer.sending)
        for number in range(100):
            pusher.answer(str(number))
        for _ in range(MOST_ANSWERS + 3):
            peer.reads.release()
        await until(lambda: len(peer.taken) == MOST_ANSWERS + 3)
        answers = [text for text in peer.taken if text.isdecimal()]
        assert answers == [str(number) for number in range(100 - MOST_ANSWERS, 100)]
        task.cancel()

    asyncio.run(scenario())


def test_board_that_is_given_up_is_not_listened_to() -> None:
    async def scenario() -> None:
        peer = Peer()
        pusher, boards = await three_boards(peer)
        for followed in pusher.followed:
            pusher.unfollow(followed)
        assert [board._listeners for board in boards] == [set(), set(), set()]
        assert pusher.followed == ()

    asyncio.run(scenario())
