"""uvicorn's HTTP protocol, with bounds on every wait for the client, and problem+json for what can't be read as HTTP.

A connection waits for its client in four ways, and each has a bound: for the next request (`KEEP_ALIVE`), for the rest
of one (`REQUEST_WITHIN`), for an answer to be taken (`TAKEN_WITHIN`), and for the last call when the process stops.
"""

import asyncio
import logging
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.domain.errors import Malformed
from app.domain.ids import new_id
from app.http.answers import common_headers, problem
from app.serving import descriptors
from app.serving.draining import LAST_CALL
from app.serving.event_stream import PATH, STREAM, EventStream
from app.serving.one_write import OneWrite, lines
from app.serving.whole_answer import WHOLE
from telemetry import logs

LARGEST_HEAD = 32 * 1024
LARGEST_REST = 256 * 1024
"""The most bytes of a request that are not its body: its head, the sizes of its chunks, its trailers."""

REQUEST_WITHIN = 15.0
"""Seconds within which a connection's first request, and each later one from its first byte on, must have arrived,
whether it was answered before its end or not."""

TAKEN_WITHIN = 30.0
"""Seconds within which a client must read on when more than 64 KiB wait for it, or when the connection is closed."""

MOST_PIPELINED = 100
"""Pipelined requests that may wait on one connection for earlier answers."""


class HttpProtocol(HttpToolsProtocol):
    """The protocol that `uvicorn.Config(http=...)` is given."""

    common = lines(common_headers(production=False))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving = self._in_head = True
        self._began = False
        self._rest = 0
        self.running: Any = None
        """The cycle of the request that is being answered, or was last."""
        self._arrival: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._stopping: asyncio.TimerHandle | None = None
        self._stream: EventStream | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(OneWrite(transport, self.loop, self.common, self._bound_taking))  # type: ignore[arg-type]
        self._bound_arrival()
        descriptors.make_room(self.connections, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        if self.running is not None:
            # uvicorn tells the newest request alone, which may be far behind the one that is being answered.
            self.running.disconnected = True
            self.running.message_event.set()
        if self._stream is not None:
            self._stream.lost(exc)
        self.pipeline.clear()
        super().connection_lost(exc)
        self._taken()  # set again, since uvicorn closes the transport once more

    def data_received(self, data: bytes) -> None:
        if self._arriving:
            self._rest += len(data)
        try:
            self._read(data)
        except httptools.HttpParserError:
            self.send_400_response("")
            return
        # Most requests come in one packet, and no timer is ever set for them.
        if not self._arriving:
            if self._arrival is not None:
                self._arrived()
            return
        self._bound_arrival()
        # What belongs to the body, in the packet that ends the head, was counted too: the bound is a coarse one.
        if self._rest > (LARGEST_HEAD if self._in_head else LARGEST_REST) and not self.transport.is_closing():
            self.send_400_response("")

    def _read(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                if self._get_upgrade() == b"websocket":
                    self.handle_websocket_upgrade()
                    return
                if self.scope["method"] == "CONNECT":
                    return
                data = self._without_upgrade() + data[upgrade.args[0] :]

    def _should_upgrade(self) -> bool:
        # The parser hands over to another protocol after the head of any request that offers an upgrade, so such a
        # request is examined before the offer is taken. CONNECT is none of them.
        return bool(self.scope["method"] != "CONNECT")

    def _without_upgrade(self) -> bytes:
        """Return the head without the offer to upgrade, which is ignored, for a parser that also reads the body.

        Source: RFC 9110, section 7.8. Java's HttpClient offers h2c with each request unless told not to.
        """
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        line = f"{self.scope['method']} ".encode() + self.url + f" HTTP/{self.scope['http_version']}\r\n".encode()
        return line + lines(header for header in self.headers if header[0] != b"upgrade") + b"\r\n"

    def handle_websocket_upgrade(self) -> None:
        transport: Any = self.transport
        if self._unanswered() or self.flow.write_paused:
            transport.close()  # its answer would overtake those before it
            return
        self._arrived()
        self.transport = transport.plain()
        super().handle_websocket_upgrade()

    def shutdown(self) -> None:
        if self._unanswered():
            if self._stream is not None:
                self._stream.stop()  # it would go on for ever
            super().shutdown()
        else:
            # uvicorn would close it at once, even while a proxy is sending a request on it.
            self._unset_keepalive_if_required()
            self._stopping = self.loop.call_later(LAST_CALL, self.transport.close)

    def eof_received(self) -> None:
        self._bound_taking()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._bound_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._taken()

    def on_message_begin(self) -> None:
        if self.pipeline and len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many requests at once")
        super().on_message_begin()
        self._unset_keepalive_if_required()
        if self._arrival is not None:
            self._arrived()
        self._arriving = self._in_head = self._began = True
        self._rest = 0

    def on_headers_complete(self) -> None:
        if self.timeout_keep_alive_task is not None:  # the answer before was complete only after this request's begin
            self._unset_keepalive_if_required()
        super().on_headers_complete()
        self._in_head = False
        if self._stopping is not None:
            self._stopping.cancel()
            if self.cycle is not None:
                self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._rest -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._arriving = False
        super().on_message_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self.running = cycle
        self._stream = None
        extensions: dict[str, Any] = {WHOLE: self}
        cycle.scope["extensions"] = extensions
        if cycle.scope["path"].endswith(PATH):
            self._stream = extensions[STREAM] = EventStream(self.transport, self.flow)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        transport: Any = self.transport
        transport.answered()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        if self._unanswered() and (self._in_head or self.running is not self.cycle):
            # It would be taken for the answer to a request before it. The connection ends with the last of those.
            self.cycle.keep_alive = False
            return
        request_id = new_id()
        error = Malformed("The request can't be read as HTTP/1.1.")
        logs.refused(
            logs.REQUEST_INVALID,
            self._client(),
            logging.INFO,
            requestId=request_id,
            code=error.code,
            detail=error.detail,
        )
        answer = problem(error, request_id)
        answer.headers["x-request-id"] = request_id
        answer.headers["connection"] = "close"
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + lines(answer.raw_headers) + b"\r\n")
        self.transport.write(bytes(answer.body))
        self.transport.close()

    def _unanswered(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def waiting_since(self) -> float | None:
        """Return since when nothing is waited for but the client, by the event loop's clock; None while it isn't."""
        if self._taking is not None:
            return self._taking.when() - TAKEN_WITHIN
        if self._arrival is not None:
            return self._arrival.when() - REQUEST_WITHIN
        idle = self.timeout_keep_alive_task
        return idle.when() - self.timeout_keep_alive if idle is not None else None

    def _bound_arrival(self) -> None:
        if self._arrival is None:
            self._arrival = self.loop.call_later(REQUEST_WITHIN, self._too_slow)

    def _arrived(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _too_slow(self) -> None:
        self._arrival = None
        if self._began:  # browsers open connections that they may never use
            self._log_cut("request unfinished", REQUEST_WITHIN)
        if not self._in_head and self._unanswered() and not self.cycle.response_started:
            self.send_400_response("")
        else:
            self.transport.close()

    def _bound_taking(self) -> None:
        if self._taking is None and self.parser is not None:
            self._taking = self.loop.call_later(TAKEN_WITHIN, self._not_taken)

    def _taken(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _not_taken(self) -> None:
        self._taking = None
        self._log_cut("answer not taken", TAKEN_WITHIN)
        self.transport.abort()

    def _log_cut(self, reason: str, seconds: float) -> None:
        logs.refused(logs.CONNECTION_CUT, self._client(), reason=reason, seconds=seconds)

    def _client(self) -> str | None:
        return self.client[0] if self.client else None


class ProductionProtocol(HttpProtocol):
    """The same, for answers that went through TLS."""

    common = lines(common_headers(production=True))
