"""Somebody who keeps asking a web process for what it has to answer, whatever is away."""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.faults.history import most
from tests.support.clock import now
from tests.support.service import Process

PATHS = ("/healthz", "/readyz", "/top-scores")


@dataclass(frozen=True)
class Answer:
    """One answer: None for its status when there was none; `began` as now() tells it."""

    path: str
    status: int | None
    body: Any
    began: float
    seconds: float


class Probe:
    """Asks a process for its health, its readiness and its board, each in a thread of its own, until left."""

    def __init__(self, process: Process) -> None:
        self.answers: list[Answer] = []
        self._url = process.url
        self._leaving = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(path,), name=f"probe-{path}") for path in PATHS]

    def __enter__(self) -> "Probe":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive(), thread.name

    def statuses(self, path: str, since: float = 0.0) -> "Counter[int | None]":
        """Count the answers to questions that were asked since a moment."""
        return Counter(it.status for it in self._since(path, since))

    def most(self, path: str, since: float = 0.0) -> float:
        """Return the seconds within which nine of ten questions since a moment were answered."""
        return most(it.seconds for it in self._since(path, since))

    def longest(self, path: str, since: float = 0.0) -> float:
        """Return the longest time in seconds that an answer since a moment took."""
        return max(it.seconds for it in self._since(path, since))

    def check(self, name: str, since: float) -> set[str]:
        """Return what /readyz has said of one thing since a moment."""
        return {it.body["checks"][name] for it in self._since("/readyz", since) if it.body}

    def _since(self, path: str, since: float) -> list[Answer]:
        return [it for it in list(self.answers) if it.path == path and it.began >= since]

    def _ask(self, path: str) -> None:
        with httpx2.Client(base_url=self._url, timeout=10) as http:
            while not self._leaving.is_set():
                began = now()
                status = body = None
                try:
                    answer = http.get(path)
                    status, body = answer.status_code, answer.json()
                except httpx2.TransportError:
                    pass
                self.answers.append(Answer(path, status, body, began, now() - began))
                self._leaving.wait(0.05)
