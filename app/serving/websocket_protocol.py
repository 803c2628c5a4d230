"""uvicorn's WebSocket protocol, which also drops peers that never read, and works around bugs in uvicorn.

A close frame, and a transport's orderly close, wait behind what the peer has not read, perhaps for ever. When the
application has finished with a socket, or pings got no answer, the connection is cut.
"""

import asyncio
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import frames
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State

from app.domain.errors import Malformed, ScoreboardError, Unavailable
from app.domain.ids import new_id
from app.http.answers import API_POLICY, common_headers, problem
from app.live.close_codes import SILENT, CloseCode

CUT_AFTER = 2.0
"""Seconds that the closing handshake may take."""

MOST_PIECES = 60
"""Frames that one message may be made of."""

READY = "scoreboard.ready"
"""The extension of ASGI's scope by which a text that many sockets are sent is framed once: `send_ready`."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """The protocol that `uvicorn.Config(ws=...)` is given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Else it logs every header at the level DEBUG, the tokens among them.
        self.conn.debug = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            # uvicorn would leave it unanswered, and the connection open for ever.
            self._refuse(Malformed("The request's line or its headers are too long."))

    def handle_connect(self, event: Request) -> None:
        if self.conn.accept(event).status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            super().handle_connect(event)
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[READY] = self.send_ready
        else:
            self._refuse(Malformed("This is not the handshake of a WebSocket, version 13."))

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            # uvicorn logs a traceback for what is the peer's mistake.
            self.frames = []
            self.conn.fail(frames.CloseCode.INVALID_DATA)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        if len(self.frames) > MOST_PIECES and not self.close_sent:
            # Empty ones have no size that would be limited.
            self.conn.fail(frames.CloseCode.POLICY_VIOLATION)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        close = self.conn.close_sent
        if close is None:  # a bad frame before the handshake was answered
            self.transport.abort()
        elif not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            # What the peer still sends is read and dropped: closed with data unread, the kernel would send a reset,
            # and the peer never learn the code.
            self.transport.write_eof()
            self.close_timer = self.loop.call_later(CUT_AFTER, self.transport.close)

    def handle_ping(self) -> None:
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():  # one that pings and never reads gets nothing queued
            self.transport.write(pong)

    def keepalive_timeout(self) -> None:
        # Instead of uvicorn's own, which closes with 1011 and tells the application 1005, as for any lost connection.
        self.pong_timer = self.pending_ping_payload = None
        if self.close_sent or self.transport.is_closing():
            return
        reason = "no answer to pings"
        self.queue.put_nowait({"type": "websocket.disconnect", "code": SILENT, "reason": reason})
        self.conn.fail(CloseCode.SLOW, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
        self._cut_soon()

    def shutdown(self) -> None:
        if self.handshake_complete and self.conn.state is not State.OPEN:
            # It is closing already. uvicorn would raise, and never come to the connections after this one.
            self.stop_keepalive()
            self.transport.close()
        elif not self.handshake_complete and self.initial_response is None:
            self._refuse(Unavailable("The process is stopping."))
        else:
            super().shutdown()

    def _refuse(self, error: ScoreboardError) -> None:
        """Answer a handshake in place of the application."""
        request_id = new_id()
        answer = problem(error, request_id)
        answer.headers.update({"X-Request-ID": request_id, "Connection": "close"})
        answer.raw_headers += [*common_headers(production=False), API_POLICY]
        headers = Headers(answer.headers.items())
        response = Response(error.status, HTTPStatus(error.status).phrase, headers, bytes(answer.body))
        self.transport.write(response.serialize())
        self.handshake_complete = self.close_sent = self.disconnected = True
        self.transport.close()
        self.loop.call_later(CUT_AFTER, self.transport.abort)  # whatever it reads

    def send_ready(self, text: str) -> bool:
        """Send a text at once; False, and nothing is sent, when that would have to wait, or the socket is closing."""
        if not self.writable.is_set() or self.conn.state is not State.OPEN or self.close_sent or self.disconnected:
            return False
        self.transport.write(_frame(text))
        return True

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # uvicorn forgets, and reports every handshake that was refused as an error of the application.
            self.handshake_complete = True

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        self._cut_soon()

    def _cut_soon(self) -> None:
        self.loop.call_later(CUT_AFTER, self._cut)

    def _cut(self) -> None:
        if not self.disconnected:
            self.transport.abort()


@lru_cache(maxsize=64)
def _frame(text: str) -> bytes:
    # A server's frames are not masked, and nothing is compressed: they are the same for every socket.
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
