"""Keeps a line to the service open: connects again, goes on with younger tokens, and changes to better ways."""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import httpx2
from websockets.exceptions import WebSocketException

from scoreboard_client import timing
from scoreboard_client.errors import ScoreboardError
from scoreboard_client.polls import read_poll
from scoreboard_client.session import Session
from scoreboard_client.shapes import Way
from scoreboard_client.sockets import read_socket
from scoreboard_client.streams import read_stream
from scoreboard_client.ways import Closed, Message, Opening, Reader, ways_of

_TOKEN_REFUSED = 4401
_SUSPENDED = 4403
_NETWORK = (OSError, TimeoutError, httpx2.HTTPError, WebSocketException, ValueError, EOFError)
_READERS: dict[Way, Reader] = {"socket": read_socket, "stream": read_stream, "poll": read_poll}


class Lost(Exception):
    """A connection isn't worth going on with."""


@dataclass(eq=False, slots=True)
class Connection:
    """One connection; `spoke` is set by its first message, and `told` once that was a board."""

    way: Way
    bearer: str | None
    spoke: asyncio.Event = field(default_factory=asyncio.Event)
    told: bool = False
    reading: "asyncio.Task[None] | None" = None


class Line:
    """A line that is open from `run` on, until that is cancelled.

    Args:
        opening: what connections are opened with, but for the token.
        session: knows the token.
        take: takes a message, and whether it is the first of its connection to bring a board; returns whether the
            connection is worth going on with.
        lose: told that the line is lost: how often in a row, and in how many seconds it is tried again.
        complain: told of what went wrong and isn't the end.
    """

    def __init__(
        self,
        opening: Opening,
        session: Session,
        *,
        take: Callable[[Message, bool], bool],
        lose: Callable[[int, float], None],
        complain: Callable[[ScoreboardError], None],
    ) -> None:
        self._opening = opening
        self._session = session
        self._take = take
        self._lose = lose
        self._complain = complain
        self._current: Connection | None = None
        self._successor: Connection | None = None  # takes over once it speaks
        self._refused: tuple[str | None, ScoreboardError] | None = None
        self._failures = 0
        self._rung = 0  # which of the ways is next
        self._ascents = 0
        self._spared = 0.0  # until when the service wants to be left alone

    @property
    def via(self) -> Way | None:
        """How the board comes at present."""
        newest_first = (self._successor, self._current)
        return next((it.way for it in newest_first if it and it.spoke.is_set()), None)

    async def run(self) -> None:
        """Keep the line open. Raises ScoreboardError when the service refuses it for good."""
        try:
            while True:
                if await self._attempt():
                    await self._pause()
        finally:
            await self._hang_up(self._current, self._successor)

    async def _attempt(self) -> bool:
        """Connect, and stay as long as it goes well; return whether to wait before the next attempt."""
        try:
            async with asyncio.timeout(timing.ANSWER):
                bearer = await self._session.bearer(self._refused[0] if self._refused else None)
        except ScoreboardError as error:
            if error.status in (401, 403):
                raise
            self._complain(error)
            return True
        except Exception as error:  # of a function that isn't ours
            self._complain(ScoreboardError(f"There is no token: {error!r}", code="token"))
            return True
        if self._refused and self._refused[0] == bearer:
            raise self._refused[1]
        ways = self._ways(bearer)
        self._rung %= len(ways)
        if self._opening.verifier:
            self._opening.verifier.allow_fetch()
        self._current = self._open(ways[self._rung], bearer)
        try:
            return self._after(self._current, await self._stay())
        finally:
            await self._hang_up(self._current, self._successor)
            self._current = self._successor = None

    def _ways(self, bearer: str | None) -> tuple[Way, ...]:
        return ways_of(token=bearer is not None, signed=self._opening.verifier is not None)

    def _open(self, way: Way, bearer: str | None) -> Connection:
        connection = Connection(way, bearer)
        connection.reading = asyncio.create_task(self._read(connection), name=f"scoreboard {way}")
        return connection

    async def _read(self, connection: Connection) -> None:
        """Read a connection to its end, which raises what has ended it."""
        opening = replace(self._opening, bearer=connection.bearer)
        async with aclosing(_READERS[connection.way](opening)) as messages:
            while True:
                async with asyncio.timeout(timing.SILENCE if connection.spoke.is_set() else timing.ANSWER):
                    message = await anext(messages, None)
                if message is None:
                    raise Closed(None)
                connection.spoke.set()
                first = connection.way == "poll" or not connection.told
                connection.told = connection.told or message.get("type") == "top_scores_update"
                if not self._take(message, first):
                    raise Lost

    async def _stay(self) -> BaseException | None:
        """Follow the current connection, and those that take over from it; return what ended the last."""
        begun: Connection | None = None
        ascent = renewal = float("inf")
        loop = asyncio.get_running_loop()
        while True:
            current = self._current
            assert current is not None
            assert current.reading is not None
            if current.spoke.is_set() and begun is not current:
                begun, renewal, ascent = current, self._begin(current), self._ascent(current)
            await self._wait(float("inf") if self._successor else min(renewal, ascent) - loop.time())
            if self._successor and self._successor.spoke.is_set():
                self._current, self._successor = self._successor, None
                await self._hang_up(current)
            elif current.reading.done():
                return current.reading.exception()
            elif self._successor and self._successor.reading and self._successor.reading.done():
                self._spare(self._successor.reading.exception())
                self._successor = None
                begun = None  # plan again
            elif self._successor is None and loop.time() >= renewal:
                renewal = float("inf")
                begun = await self._renew(current)
            elif self._successor is None and loop.time() >= ascent:
                ascent = float("inf")
                better = self._ways(current.bearer)[self._ascents % self._rung]
                self._ascents += 1
                self._successor = self._open(better, current.bearer)

    async def _wait(self, seconds: float) -> None:
        """Wait until a connection ends or speaks for the first time, or for some seconds."""
        open_ = [it for it in (self._current, self._successor) if it and it.reading]
        events = [asyncio.create_task(it.spoke.wait()) for it in open_ if not it.spoke.is_set()]
        readings = [it.reading for it in open_ if it.reading]
        limit = None if seconds == float("inf") else max(0.0, seconds)
        try:
            await asyncio.wait([*events, *readings], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for event in events:
                event.cancel()

    def _begin(self, connection: Connection) -> float:
        """Note that a connection is worth something; return when its token is to be replaced."""
        self._failures = 0
        self._rung = self._ways(connection.bearer).index(connection.way)
        delay = timing.renewal_delay(connection.bearer) if self._session.renews else None
        return float("inf") if delay is None else asyncio.get_running_loop().time() + delay

    def _ascent(self, connection: Connection) -> float:
        """Return when to try a better way, if there is one."""
        if self._rung == 0:
            self._ascents = 0
            return float("inf")
        delay = min(timing.LONGEST_ASCENT, timing.FIRST_ASCENT * 2.0 ** min(self._ascents, 10))
        return max(asyncio.get_running_loop().time() + delay * random.uniform(0.5, 1), self._spared)

    async def _renew(self, current: Connection) -> Connection | None:
        """Open a connection with a younger token if there is one; else return None, so that it is tried again."""
        try:
            async with asyncio.timeout(timing.ANSWER):
                younger = await self._session.bearer()
        except Exception:  # asked again later; the token at hand has the last word
            return None
        if younger == current.bearer or younger is None:
            return None
        self._successor = self._open(current.way, younger)
        return current

    def _after(self, connection: Connection, ending: BaseException | None) -> bool:
        """Raise an ending that is final; else return whether to wait before the next attempt."""
        connection = self._current or connection
        code = ending.code if isinstance(ending, Closed) else None
        if code == _TOKEN_REFUSED:
            return self._refuse(connection, ScoreboardError("The token is refused.", code="unauthorized", status=code))
        if code == _SUSPENDED:
            raise ScoreboardError("The user is suspended.", code="user-suspended", status=code)
        if not isinstance(ending, ScoreboardError):
            if ending is not None and not isinstance(ending, (Closed, Lost, *_NETWORK)):
                raise ending  # a mistake of ours
            self._rung += 0 if connection.spoke.is_set() else 1
            return True
        if ending.status == 401:
            return self._refuse(connection, ending)
        if ending.code == "user-suspended":
            raise ending
        self._spare(ending)
        last = self._rung == len(self._ways(connection.bearer)) - 1
        if last and ending.status in (403, 404):
            raise ending
        self._complain(ending)
        self._rung += 1  # after the last one the best again
        return last

    def _spare(self, ending: BaseException | None) -> None:
        """Leave the service alone for as long as a refusal says."""
        if isinstance(ending, ScoreboardError) and ending.retry_after:
            self._spared = max(self._spared, asyncio.get_running_loop().time() + ending.retry_after)

    def _refuse(self, connection: Connection, error: ScoreboardError) -> bool:
        """The token may be over, and there may be a younger one."""
        if not self._session.renews:
            raise error
        self._refused = (connection.bearer, error)
        self._rung = 0
        return True

    async def _pause(self) -> None:
        self._failures += 1
        wait = max(0.0, self._spared - asyncio.get_running_loop().time()) + timing.backoff(self._failures)
        self._lose(self._failures, wait)
        await asyncio.sleep(wait)

    @staticmethod
    async def _hang_up(*connections: Connection | None) -> None:
        readings = [it.reading for it in connections if it and it.reading]
        for reading in readings:
            reading.cancel()
        await asyncio.gather(*readings, return_exceptions=True)
