"""Sockets and streams that stay open while something breaks, each read in a thread.

They are held to what a listener may rely on.
"""

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from app.domain.ids import DEFAULT_BOARD
from tests.faults.history import board
from tests.support.board import BOARDS
from tests.support.people import Player
from tests.support.service import Process, Stores, eventually
from tests.support.sockets import listening
from tests.support.streams import Stream, streaming


@dataclass
class Listener:
    """One socket that follows every board, and all that it was sent of each."""

    process: Process
    token: str
    received: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {board_id: [] for board_id in BOARDS})
    code: int | None = None
    closed: threading.Event = field(default_factory=threading.Event)
    _leaving: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        """Receive until the socket is closed, by whomever."""
        with listening(self.process, self.token) as socket:
            try:
                socket.send(json.dumps({"subscribe": [board_id for board_id in BOARDS if board_id != DEFAULT_BOARD]}))
                while not self._leaving.is_set():
                    self._receive(socket)
            except ConnectionClosed:
                self.code = socket.close_code
                self.closed.set()

    def _receive(self, socket: ClientConnection) -> None:
        try:
            received = json.loads(socket.recv(timeout=0.1))
        except TimeoutError:
            return
        if received["type"] == "top_scores_update":
            self.received[received["board"]].append(received)

    def leave(self) -> None:
        """Close the socket soon."""
        self._leaving.set()

    @property
    def boards(self) -> list[dict[str, Any]]:
        """What it was sent of the default board."""
        return self.received[DEFAULT_BOARD]

    def shows(self, board_id: str = DEFAULT_BOARD) -> list[tuple[str, int]]:
        """Return what it was sent last of a board: user ids and scores."""
        received = self.received[board_id]
        return [(row["userId"], row["score"]) for row in received[-1]["payload"]] if received else []


class Spectator(Listener):
    """One stream of the default board, without a token, and all that it was sent."""

    def listen(self) -> None:
        """Receive until the stream ends, by whomever; `code` is what its last event says."""
        with streaming(self.process) as stream:
            try:
                while not self._leaving.is_set():
                    self._read(stream)
            except (EOFError, ConnectionError):
                self.closed.set()

    def _read(self, stream: Stream) -> None:
        try:
            event = stream.next(within=0.1)
        except TimeoutError:
            return
        if event.name == "end":
            self.code = event.json["code"]
        elif event.id is not None:
            self.received[DEFAULT_BOARD].append(event.json)


class Audience:
    """Listeners at some web processes: at each a socket that follows every board, and a stream."""

    def __init__(self, player: Player, processes: Iterable[Process]) -> None:
        self._player = player
        self._processes = list(processes)
        self._threads: list[threading.Thread] = []
        self.listeners: list[Listener] = []
        self.spectators: list[Spectator] = []

    @property
    def everybody(self) -> list[Listener]:
        """All of them: sockets and streams."""
        return [*self.listeners, *self.spectators]

    def join(self, process: Process) -> Listener:
        """Open a socket and a stream at a process, and wait for the boards that they begin with."""
        listener, spectator = Listener(process, self._player.token), Spectator(process, "")
        self.listeners.append(listener)
        self.spectators.append(spectator)
        for it in (listener, spectator):
            thread = threading.Thread(target=it.listen, name=f"{type(it).__name__}-{len(self._threads)}")
            self._threads.append(thread)
            thread.start()
        eventually(lambda: all(listener.received.values()), what="the first of each board")
        eventually(lambda: spectator.boards, what="the first board of the stream")
        return listener

    def __enter__(self) -> "Audience":
        try:
            for process in self._processes:
                self.join(process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self.everybody:
            listener.leave()
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive(), thread.name

    def see(self, stores: Stores, *, within: float = 10.0) -> None:
        """Wait until all whose process lives were sent the database's boards, without reconnecting."""
        listening = [it for it in self.everybody if it.process.popen.poll() is None]
        gone = [(type(it).__name__, it.code) for it in listening if it.closed.is_set()]
        assert not gone, f"sockets or streams of living processes were closed with {gone}"
        for board_id in BOARDS:
            who = [it for it in listening if board_id == DEFAULT_BOARD or not isinstance(it, Spectator)]
            eventually(
                lambda it=board_id, all_of=who: {str(one.shows(it)) for one in all_of} <= {str(board(stores, it))},  # type: ignore[misc]
                within=within,
                what=f"the board {board_id} on every socket and stream",
            )
        self.agree()

    def agree(self) -> None:
        """Check that each board's versions only rose for each listener, and that one version was the same for all."""
        known: dict[tuple[str, str, int], Any] = {}
        for listener in self.everybody:
            for board_id, boards in listener.received.items():
                stamps = [(it["epoch"], it["version"]) for it in boards]
                assert stamps == sorted(set(stamps)), f"versions of {board_id} do not only rise: {stamps}"
                for it in boards:
                    assert known.setdefault((board_id, it["epoch"], it["version"]), it) == it
