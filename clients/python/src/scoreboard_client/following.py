"""Follows a board: by a socket with a token, by a stream without one, and by asking where neither gets through."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from scoreboard_client.errors import ScoreboardError
from scoreboard_client.http import Http
from scoreboard_client.line import Line
from scoreboard_client.session import Session
from scoreboard_client.shapes import Board, Position, Retry, State, Way
from scoreboard_client.signatures import Verifier
from scoreboard_client.store import Store
from scoreboard_client.ways import Message, Opening

_log = logging.getLogger("scoreboard_client")


class Following:
    """A board that is followed, made by `Scoreboard.follow`; it begins with the first iteration, or `async with`.

    `async for board in following` gives the newest boards, skips those in between that come while nobody asks, and
    raises ScoreboardError when the service has refused it for good. Any number may iterate.
    """

    def __init__(
        self,
        http: Http,
        session: Session,
        board: str,
        *,
        after: Position | None,
        verifier: Verifier | None,
        on_error: Callable[[ScoreboardError], object] | None,
    ) -> None:
        self._board = board
        self._on_error = on_error
        self._store = Store(after, self._wake)
        opening = Opening(http, board, None, self._position, verifier, self._complain)
        self._line = Line(opening, session, take=self._take, lose=self._lose, complain=self._complain)
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()
        self._retry: Retry | None = None
        self._heard_at: datetime | None = None

    @property
    def value(self) -> Board | None:
        """The newest board."""
        return self._store.value

    @property
    def state(self) -> State:
        return self._store.state

    @property
    def via(self) -> Way | None:
        """How it comes at present."""
        return self._line.via

    @property
    def retry(self) -> Retry | None:
        """While reconnecting: how often it failed, and when it is tried again."""
        return self._retry if self.state == "reconnecting" else None

    @property
    def heard_at(self) -> datetime | None:
        """When the service was last heard."""
        return self._heard_at

    def start(self) -> None:
        """Begin to follow, unless that has happened."""
        if self._task is None and self.state != "ended":
            self._task = asyncio.create_task(self._run(), name=f"scoreboard {self._board}")

    async def close(self) -> None:
        """End it: those who iterate come to their end."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._store.end()
        self._wake()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Board]:
        seen: Board | None = None
        async for board, _ in self.changes():
            if board is not None and board is not seen:
                seen = board
                yield board

    async def changes(self) -> AsyncIterator[tuple[Board | None, State]]:
        """Yield board and state at once, and whenever one of them has changed; the last state is `ended`."""
        self.start()
        told: tuple[Board | None, State] | None = None
        while True:
            changed, now = self._changed, (self.value, self.state)
            if now != told:
                told = now
                yield now
            elif self.state != "ended":
                await changed.wait()
            elif self._failure:
                raise self._failure
            else:
                return

    async def _run(self) -> None:
        try:
            await self._line.run()
        except Exception as error:
            self._failure = error
            self._store.end()
            self._wake()

    def _take(self, message: Message, first: bool) -> bool:
        self._heard_at = datetime.now(UTC)
        kind = message.get("type")
        try:
            if kind == "heartbeat":
                return self._store.heartbeat(message)
            if kind == "top_scores_update":
                self._store.update(message, first)
        except (KeyError, TypeError, ValueError):
            self._complain(ScoreboardError("A message was dropped: unreadable.", code="unreadable"))
        return True

    def _position(self) -> Position | None:
        return self._store.position

    def _lose(self, attempt: int, wait: float) -> None:
        self._retry = Retry(attempt, datetime.now(UTC) + timedelta(seconds=wait))
        self._store.lose()

    def _complain(self, error: ScoreboardError) -> None:
        if self._on_error is None:
            return _log.warning("%s: %s", self._board, error)
        try:
            self._on_error(error)
        except Exception:  # a mistake in a callback ends nothing
            _log.exception("on_error has failed")

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
