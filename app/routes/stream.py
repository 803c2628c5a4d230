"""GET /top-scores/stream: the messages of a board, as Server-Sent Events, for anybody."""

import asyncio
import contextlib
import logging
import random
import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.domain import messages
from app.domain.errors import ScoreboardError, Unauthorized
from app.domain.messages import Update
from app.live.board import LiveBoard
from app.live.close_codes import GONE, SILENT, CloseCode, Ending, StreamEnd, reason_of
from app.live.connections import Connection
from app.live.pusher import Pusher
from app.routes.guards import bearer
from app.routes.listeners import Listener, board_of, check_board, who_listens
from app.serving.event_stream import STREAM, EventStream, event
from app.web import Web, web_of
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.live")

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Connection": "close",
}
"""No proxy is to keep it, to compress it, or to wait for more of it."""

COME_BACK = (500, 5000)
"""Milliseconds after which browsers come back when the process stops: not all at once."""

SAID_WITHIN = 1.0
"""Seconds that a peer may take for the last event."""


async def stream(request: Request) -> Response:
    """GET /top-scores/stream"""
    web = web_of(request)
    try:
        listener, seen = await _admit(web, request)
        if request.method == "HEAD":
            return Response(headers=HEADERS)
        owner, token_version, _ = listener or (None, None, None)
        connection = web.connections.admit(
            owner, token_version, web.admission.limited_as(request.scope), metrics.stream_connections
        )
    except ScoreboardError as error:
        request_id = request.scope["request_id"]
        logs.refused(logs.STREAM_REJECTED, web.admission.address(request.scope), requestId=request_id, code=error.code)
        raise
    return _Stream(web, web.boards[board_of(request)], connection, listener, seen)


async def _admit(web: Web, request: Request) -> tuple[Listener | None, Update | None]:
    """Check a request; return who listens, if that is known, and what was seen before.

    Source: contract, section 6, for the order.
    """
    await web.admission.handshake(request.scope)
    token = bearer(request) or request.query_params.get("token")
    if token is None and web.settings.top_scores_need_token:
        raise Unauthorized("A token is needed.")
    listener = await who_listens(web, request, token) if token is not None else None
    check_board(web, request)
    stamp = messages.read_event_id(request.headers.get("last-event-id"))
    board = web.boards[board_of(request)]
    return listener, await board.resumed(stamp) if stamp is not None else None


class _Stream(Response):
    """The answer: pushes a board until either side ends it."""

    def __init__(
        self, web: Web, board: LiveBoard, connection: Connection, listener: Listener | None, seen: Update | None
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._web = web
        self._board = board
        self._connection = connection
        self._listener = listener
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it. Its time, in the metric of answers, is that until its head."""
        outlet: EventStream = scope["extensions"][STREAM]
        opened = time.monotonic()
        code = GONE
        logged = {**(self._listener.logged if self._listener else {}), "requestId": scope["request_id"]}
        logs.event(log, logs.STREAM_CONNECTED, **logged)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            scope["answer_began"] = time.perf_counter()
            outlet.open(self._connection.close)
            code = await self._push(outlet)
            await _end(outlet, send, code)
        finally:
            self._web.connections.release(self._connection)
            logs.event(
                log,
                logs.STREAM_DISCONNECTED,
                **logged,
                code=code,
                seconds=round(time.monotonic() - opened),
                reason="slow" if code in (CloseCode.SLOW, SILENT) else "closed",
            )

    async def _push(self, outlet: EventStream) -> int:
        """Push until the stream is to end, and return the close code."""
        web, closing = self._web, self._connection.closing
        boards = Pusher(outlet, web.settings.push_interval, web.push_latency, tells_states=True)
        followed = boards.follow(self._board, self._seen)
        pusher = asyncio.create_task(boards.run())
        pusher.add_done_callback(self._pushed)
        expiry = None
        if self._listener is not None:
            loop = asyncio.get_running_loop()
            expiry = loop.call_later(self._listener.seconds, self._connection.close, CloseCode.TOKEN_OVER)
        try:
            return await closing
        finally:
            if expiry is not None:
                expiry.cancel()
            boards.unfollow(followed)  # a task that is cancelled before it begins cleans up nothing
            pusher.cancel()
            await asyncio.gather(pusher, return_exceptions=True)

    def _pushed(self, pusher: "asyncio.Task[Ending]") -> None:
        if pusher.cancelled():
            return
        if (error := pusher.exception()) is not None:
            log.error("pushing to a stream failed", exc_info=error)
        self._connection.close(GONE if error is not None else pusher.result().code)


async def _end(outlet: EventStream, send: Send, code: int) -> None:
    """Say why a stream ends, as far as there is somebody who reads it."""
    if code not in (CloseCode.SLOW, GONE, SILENT):
        text = msgspec.json.encode(StreamEnd(code, reason_of(code))).decode()
        last = event(text, name="end", retry=random.randint(*COME_BACK) if code == CloseCode.STOPPING else None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAID_WITHIN):
                await send({"type": "http.response.body", "body": last})
                return
    outlet.cut()
    await send({"type": "http.response.body", "body": b""})  # as soon as the connection is known to be lost
