"""Outermost ASGI layer: request ids, metrics, and shortcuts for the hottest endpoints."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.errors import Malformed, ScoreboardError
from app.domain.ids import new_id
from app.http.answers import (
    API_POLICY,
    Header,
    common_headers,
    on_disconnect,
    on_scoreboard_error,
    on_unexpected,
    problem,
)
from telemetry import metrics, tracing

_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}


class Plain(NamedTuple):
    """An answer that is ready, and the route it is counted for."""

    route: str
    status: int
    headers: list[Header]
    body: bytes


Quick = Callable[[Scope, Mapping[bytes, bytes]], Plain | None]
"""The answer to a request that needs no more than its head, None for one that does."""
Direct = Callable[[Scope, Mapping[bytes, bytes]], Callable[[Request], Awaitable[Response]] | None]
"""The endpoint of a request that is taken past the router, None for one that isn't."""


class Edge:
    """The outermost layer: gives each request an id and counts it, and knows the ways past the router.

    A route may add headers to its answer, whatever becomes of it, by appending to `scope["answer_headers"]`. What
    every answer of HTTP has in common is added in `app.serving.http_protocol`.
    """

    def __init__(self, app: ASGIApp, *, production: bool) -> None:
        self.app = app
        self.quick: Sequence[Quick] = ()
        self.direct: Direct = lambda scope, known: None
        self.denial_headers = [*common_headers(production=production), API_POLICY]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        known = dict(scope["headers"])  # if a header is repeated, the last one wins
        given = known.get(b"x-request-id", b"")
        request_id = given.decode() if given and _REQUEST_ID.fullmatch(given) else new_id()
        scope["request_id"] = request_id
        if scope["type"] == "http":
            await self._http(scope, known, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, known: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        if _end_in_doubt(scope["headers"], known):
            # Request smuggling: two servers in a chain may disagree about where the body ends.
            error = Malformed("A request has Content-Length or Transfer-Encoding, never both.")
            answer = problem(error, scope["request_id"])
            answer.headers.update({"x-request-id": scope["request_id"], "connection": "close"})
            await answer(scope, receive, send)
            return
        request_header = (b"x-request-id", scope["request_id"].encode())
        for quick in self.quick:
            if plain := quick(scope, known):
                route, status, headers, body = plain
                await send({"type": "http.response.start", "status": status, "headers": [*headers, request_header]})
                await send({"type": "http.response.body", "body": body})
                _histogram(route, scope["method"], status).observe(time.perf_counter() - began)
                return
        status = 0
        answer_headers: list[Header] = [request_header]
        scope["answer_headers"] = answer_headers

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *answer_headers]
            await send(message)

        with tracing.request(scope["headers"], scope["request_id"]):
            try:
                if endpoint := self.direct(scope, known):
                    await _answer(endpoint, Request(scope, receive), send_with_headers)
                else:
                    await self.app(scope, receive, send_with_headers)
            finally:
                _observe(scope, status or 500, time.perf_counter() - began)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_header = (b"x-request-id", scope["request_id"].encode())
        answer_headers: list[Header] = [request_header]
        scope["answer_headers"] = answer_headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "websocket.http.response.start":
                message["headers"] = [*message["headers"], *answer_headers, *self.denial_headers]
            elif message["type"] == "websocket.accept":
                message["headers"] = [*message.get("headers", ()), request_header]
            await send(message)

        await self.app(scope, receive, send_with_headers)


async def _answer(endpoint: Callable[[Request], Awaitable[Response]], request: Request, send: Send) -> None:
    """Do what Starlette's router and its exception handlers do."""
    unexpected: Exception | None = None
    try:
        response = await endpoint(request)
    except ScoreboardError as error:
        response = await on_scoreboard_error(request, error)
    except ClientDisconnect as error:
        response = await on_disconnect(request, error)
    except Exception as error:
        response, unexpected = await on_unexpected(request, error), error
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body})
    if unexpected is not None:
        raise unexpected


@lru_cache(maxsize=1000)
def _histogram(route: str, method: str, status: int) -> Any:
    # Found once for each combination: labels() itself costs more than the observation.
    return metrics.http_request_duration.labels(route, method, str(status))


def _observe(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "unknown")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    _histogram(route, method, status).observe(seconds)
    tracing.answered(method, route, status)


def _end_in_doubt(headers: list[Header], known: Mapping[bytes, bytes]) -> bool:
    """Return whether the headers disagree about where the body ends."""
    if b"transfer-encoding" not in known and len(known) == len(headers):
        return False
    return sum(name in (b"content-length", b"transfer-encoding") for name, _ in headers) > 1
