"""A board over a WebSocket."""

import ssl
from collections.abc import AsyncGenerator
from urllib.parse import urlencode

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from scoreboard_client.errors import refusal_in
from scoreboard_client.http import headers_of
from scoreboard_client.timing import ANSWER
from scoreboard_client.ways import Closed, Message, Opening

_LONGEST_MESSAGE = 1 << 20
_LONGEST_GOODBYE = 1.0


async def read_socket(opening: Opening) -> AsyncGenerator[Message, None]:
    """Open a socket and read its messages; raise Closed when it ends, and ScoreboardError when it is refused."""
    base = opening.http.base
    query = urlencode({**opening.query, "state": "1"})
    try:
        async with connect(
            f"{base.replace('http', 'ws', 1)}/ws?{query}",
            additional_headers=headers_of(opening.bearer),
            open_timeout=ANSWER,
            close_timeout=_LONGEST_GOODBYE,
            max_size=_LONGEST_MESSAGE,
            max_queue=8,
            ssl=opening.http.tls or ssl.create_default_context() if base.startswith("https:") else None,
        ) as socket:
            while True:
                message = await opening.read(await socket.recv())
                if message is not None:
                    yield message
    except InvalidStatus as refused:
        answer = refused.response
        raise refusal_in(answer.status_code, answer.headers, bytes(answer.body or b"")) from None
    except ConnectionClosed as closed:
        raise Closed(closed.rcvd.code if closed.rcvd else None) from None
