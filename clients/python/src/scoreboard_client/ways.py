"""The ways by which a board comes, the best first. Each is a generator of messages that ends with its connection."""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from scoreboard_client.errors import ScoreboardError
from scoreboard_client.http import Http
from scoreboard_client.shapes import DEFAULT_BOARD, Position, Way
from scoreboard_client.signatures import Verifier

Message = dict[str, Any]


class Closed(Exception):
    """The service has ended a connection, with the close code of a WebSocket if it said one."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Opening:
    """What a connection is opened with.

    Attributes:
        position: gives where the board stands that is known.
        verifier: of what comes; None takes it unsigned, too.
        complain: told of messages that were dropped.
    """

    http: Http
    board: str
    bearer: str | None
    position: Callable[[], Position | None]
    verifier: Verifier | None
    complain: Callable[[ScoreboardError], None]

    @property
    def query(self) -> dict[str, str]:
        """The board, as a query names it: the default one goes without saying."""
        return {} if self.board == DEFAULT_BOARD else {"board": self.board}

    async def read(self, text: str | bytes) -> Message | None:
        """Read and verify a message; None for what is dropped."""
        message = _parse(text)
        code = "unreadable" if message is None else await self.verifier.fault(message) if self.verifier else None
        if code is None:
            return message
        self.complain(ScoreboardError(f"A message was dropped: {code}.", code=code))
        return None


def _parse(text: str | bytes) -> Message | None:
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if not isinstance(message, dict):
        return None
    version = message.get("version")
    positioned = isinstance(message.get("epoch"), str) and isinstance(version, int) and not isinstance(version, bool)
    return message if positioned else None


Reader = Callable[[Opening], AsyncGenerator[Message, None]]


def ways_of(*, token: bool, signed: bool) -> tuple[Way, ...]:
    """Return the ways that there are, the best first.

    Sockets are for who has a token, and the answers to GET aren't signed.
    """
    ways: tuple[Way, ...] = ("socket", "stream") if token else ("stream",)
    return ways if signed else (*ways, "poll")
