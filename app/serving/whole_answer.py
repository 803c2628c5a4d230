"""Answers that are whole when they begin: written past ASGI, with headers that were encoded before.

uvicorn looks at each header of each answer: whether its name and its value may be sent, whether it says how long the
body is or that the connection closes. Nothing looks here. **So what is sent this way may only carry headers of ours**:
names and values that we have made, with a Content-Length that fits the body (a 304 has neither), without a Connection
or Transfer-Encoding. The one thing of a client's is its X-Request-ID, of which `Edge` takes letters, digits and `._-`.
"""

from typing import Any

from starlette.types import Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.serving.one_write import lines

WHOLE = "scoreboard.whole"
"""The extension of ASGI's scope by which an answer is written at once: the `HttpProtocol` that the request came by."""


async def send_whole(scope: Scope, send: Send, status: int, head: bytes, body: bytes) -> None:
    """Send an answer: what uvicorn's `RequestResponseCycle.send` does with its two messages, by one write.

    Args:
        head: the headers as they are sent (`app.serving.one_write.lines`).
    """
    protocol: Any = scope.get("extensions", {}).get(WHOLE)
    if protocol is None:  # another server than ours
        headers = [tuple(line.split(b": ", 1)) for line in head.splitlines()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    cycle = protocol.running
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    closing = b"" if cycle.keep_alive else b"connection: close\r\n"
    cycle.transport.write_whole(b"".join((STATUS_LINE[status], lines(cycle.default_headers), head, closing)), body)
    cycle.message_event.set()
    if closing:
        cycle.transport.close()
    cycle.on_response()
