"""A board over Server-Sent Events: for spectators, and where WebSockets don't get through."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass

import httpx2

from scoreboard_client.errors import ScoreboardError, refusal_in
from scoreboard_client.http import headers_of
from scoreboard_client.timing import ANSWER, SILENCE
from scoreboard_client.ways import Closed, Message, Opening

_LONGEST_LINE = 1 << 20
_LONGEST_REFUSAL = 1 << 16


async def read_stream(opening: Opening) -> AsyncGenerator[Message, None]:
    """Open the stream and read its messages; raise Closed when it ends, and ScoreboardError when it is refused."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **headers_of(opening.bearer)}
    seen = opening.position()
    if seen is not None:
        headers["Last-Event-ID"] = f"{seen.epoch}-{seen.version}"
    async with opening.http.client.stream(
        "GET",
        f"{opening.http.base}/top-scores/stream",
        params=opening.query or None,
        headers=headers,
        timeout=httpx2.Timeout(ANSWER, read=SILENCE),
    ) as response:
        kind = response.headers.get("content-type", "")
        if response.status_code != 200:
            raise refusal_in(response.status_code, response.headers, await _beginning(response))
        if not kind.lower().startswith("text/event-stream"):
            raise ScoreboardError("There is no stream here.", code="no-stream", status=response.status_code)
        async for event in events_in(response.aiter_bytes()):
            if event.type == "end":
                raise Closed(_code_in(event.data))
            message = await opening.read(event.data)
            if message is not None:
                yield message
    raise Closed(None)


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    data: str


async def events_in(chunks: AsyncIterable[bytes]) -> AsyncGenerator[Event, None]:
    """Read events from the pieces of a body. Lines end as the standard says, not as `str.splitlines` does."""
    rest, kind, data = b"", "message", list[str]()
    async for chunk in chunks:
        # A carriage return at the end may be half of an end of line.
        *lines, rest = re.split(rb"\r\n|\n|\r(?!\Z)", rest + chunk)
        if len(rest) > _LONGEST_LINE:
            raise ScoreboardError("An event of the stream is too long.", code="unreadable")
        for line in lines:
            name, _, value = line.decode("utf-8", "replace").partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    yield Event(kind, "\n".join(data))
                kind, data = "message", []
            elif name == "data":
                data.append(value)
            elif name == "event":
                kind = value


async def _beginning(response: httpx2.Response) -> bytes:
    """Read a refusal, no more of it than one has."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LONGEST_REFUSAL:
            break
    return body


def _code_in(data: str) -> int | None:
    try:
        code = json.loads(data).get("code")
    except (ValueError, AttributeError):
        return None
    return code if isinstance(code, int) else None
