"""Sockets that stay open while something breaks, each read in a thread, and held to what a listener may rely on."""

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.faults.history import board
from tests.support.people import Player
from tests.support.service import Process, Stores, eventually
from tests.support.sockets import listening


@dataclass
class Listener:
    """One socket and every board that it was sent."""

    process: Process
    token: str
    boards: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None
    closed: threading.Event = field(default_factory=threading.Event)
    _leaving: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        """Receive until the socket is closed, by whomever."""
        with listening(self.process, self.token) as socket:
            try:
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
            self.boards.append(received)

    def leave(self) -> None:
        """Close the socket soon."""
        self._leaving.set()

    def shows(self) -> list[tuple[str, int]]:
        """Return the last board that it was sent: user ids and scores."""
        return [(row["userId"], row["score"]) for row in self.boards[-1]["payload"]] if self.boards else []


class Audience:
    """Listeners at some web processes, one each."""

    def __init__(self, player: Player, processes: Iterable[Process]) -> None:
        self._player = player
        self._processes = list(processes)
        self._threads: list[threading.Thread] = []
        self.listeners: list[Listener] = []

    def join(self, process: Process) -> Listener:
        """Open a socket at a process, and wait for the board that it begins with."""
        listener = Listener(process, self._player.token)
        thread = threading.Thread(target=listener.listen, name=f"listener-{len(self.listeners)}")
        self.listeners.append(listener)
        self._threads.append(thread)
        thread.start()
        eventually(lambda: listener.boards, what="the first board")
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
        for listener in self.listeners:
            listener.leave()
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive(), thread.name

    def see(self, stores: Stores, *, within: float = 10.0) -> None:
        """Wait until every socket whose process lives was sent the board of the database, without reconnecting."""
        listening = [it for it in self.listeners if it.process.popen.poll() is None]
        gone = [it.code for it in listening if it.closed.is_set()]
        assert not gone, f"sockets of living processes were closed with {gone}"
        eventually(
            lambda: not [it for it in listening if it.shows() != board(stores)],
            within=within,
            what="the board on every socket",
        )
        self.agree()

    def agree(self) -> None:
        """Check that versions only rose on each socket, and that the same version was the same board on all."""
        known: dict[tuple[str, int], Any] = {}
        for listener in self.listeners:
            stamps = [(it["epoch"], it["version"]) for it in listener.boards]
            assert stamps == sorted(set(stamps)), f"versions do not only rise: {stamps}"
            for stamp, received in zip(stamps, listener.boards, strict=True):
                assert known.setdefault(stamp, received) == received
