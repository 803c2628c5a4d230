"""Outermost ASGI layer: request ids, metrics, and shortcuts for the hottest endpoints.

Three kinds of requests are most of what a busy service is asked, and for them routing, middleware and response objects
cost more than the work itself. Each has a shortcut, and all of them are in this module. Every other request, and every
one with an `Origin`, since CORS is a middleware, goes to Starlette's router (`app.router`), which would answer these
three alike. Source: decision 7.

1. `Edge._top_scores` answers a GET /top-scores that has no query: without a token, or with one that is known to be
   good and has requests left as far as this process knows (`app.access.tabs`); with 304 when the client has the board.
   It skips the router, the endpoint, tracing and the `Response`: the heads are made once for each board, and written
   past uvicorn's look at each header (`app.serving.whole_answer`). The router would call
   `app.routes.scores.top_scores`, which comes to the same answer, and asks Redis first when there is a token.
2. `Edge._turned_away` refuses to start or end an action while too many requests are under way. It skips tracing, the
   endpoint and the exception handler: the time that a refusal takes is taken from the requests that are served. The
   router would call the endpoint, which asks the same (`app.routes.actions.too_many`) before anything else.
3. `Edge._hot_endpoint` finds the endpoint that starts or ends an action. It skips the middleware and the matching of
   all other routes, and `_answer` stands in for the exception handlers. The router would find the same function. What
   it answers is written past uvicorn's look at each header, too.
"""

import re
import time
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, cast

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from app.domain.errors import Malformed, ScoreboardError
from app.domain.ids import new_id
from app.domain.messages import Update
from app.http.answers import (
    API_POLICY,
    Header,
    common_headers,
    on_disconnect,
    on_scoreboard_error,
    on_unexpected,
    problem,
)
from app.http.cors import with_cors
from app.live.board import LiveBoard
from app.router import ACTION, ACTIONS, Endpoint
from app.routes import actions, posts, readers, scores
from app.routes.etags import matches
from app.serving.one_write import lines
from app.serving.whole_answer import send_whole
from app.web import Web
from config.settings import Settings
from telemetry import metrics, tracing

_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

HOT: dict[str, tuple[Route, Endpoint]] = {"POST": (ACTIONS, posts.create), "PUT": (ACTION, actions.end)}
"""The routes that have a shortcut past the router, by their method."""


class Ready(NamedTuple):
    """An answer that is complete, and the route it is counted for.

    Both kinds of headers are as they are sent; `told` are those of this answer alone.
    """

    route: str
    status: int
    headers: bytes
    told: bytes
    body: bytes


class Edge:
    """The outermost layer: gives each request an id, counts it, and sends it on: by a shortcut, or to the router.

    A route may add headers to its answer, whatever becomes of it, by appending to `scope["answer_headers"]`. What
    every answer of HTTP has in common is added in `app.serving.one_write`.
    """

    def __init__(self, app: Starlette, settings: Settings) -> None:
        self.app = app
        self._routed = with_cors(app, settings)
        self._denial_headers = [*common_headers(production=settings.production), API_POLICY]
        self._board_is_open = not settings.top_scores_need_token
        self._update: Update | None = None
        self._broadcasting = True
        self._headers = self._unchanged = b""

    @cached_property
    def _web(self) -> Web:
        # Made when the application starts, before the first request.
        return cast(Web, self.app.state.web)

    @cached_property
    def _board(self) -> LiveBoard:
        return self._web.board

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
        request_id = scope["request_id"].encode()
        endpoint = None
        ready = self._top_scores(scope, known)
        if ready is None and (endpoint := self._hot_endpoint(scope, known)):
            ready = self._turned_away(scope)
        if ready is not None:
            route, status, headers, told, body = ready
            await send_whole(scope, send, status, b"%bx-request-id: %b\r\n%b" % (headers, request_id, told), body)
            _histogram(route, scope["method"], status).observe(time.perf_counter() - began)
            return
        status = 0
        answer_headers: list[Header] = [(b"x-request-id", request_id)]
        scope["answer_headers"] = answer_headers

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *answer_headers]
            await send(message)

        with tracing.request(scope["headers"], scope["request_id"]):
            try:
                if endpoint is not None:
                    response, unexpected = await _answer(endpoint, Request(scope, receive))
                    status = response.status_code
                    head = lines([*response.raw_headers, *answer_headers])
                    await send_whole(scope, send, status, head, bytes(response.body))
                    if unexpected is not None:
                        raise unexpected
                else:
                    await self._routed(scope, receive, send_with_headers)
            finally:
                _observe(scope, status or 500, scope.get("answer_began", time.perf_counter()) - began)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_header = (b"x-request-id", scope["request_id"].encode())
        answer_headers: list[Header] = [request_header]
        scope["answer_headers"] = answer_headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "websocket.http.response.start":
                message["headers"] = [*message["headers"], *answer_headers, *self._denial_headers]
            elif message["type"] == "websocket.accept":
                message["headers"] = [*message.get("headers", ()), request_header]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _top_scores(self, scope: Scope, known: Mapping[bytes, bytes]) -> Ready | None:
        """Return the board, or that the client has it, when it is asked for plainly and all that is needed is known."""
        if scope["path"] != "/top-scores" or scope["method"] != "GET" or scope["query_string"]:
            return None
        update = self._board.at_hand()
        if update is None or b"origin" in known:
            return None
        token, condition = known.get(b"authorization"), known.get(b"if-none-match")
        if (token is not None or condition is not None) and len(known) < len(scope["headers"]):
            return None  # one of these may be there twice
        if update is not self._update or self._board.broadcasting is not self._broadcasting:
            self._update, self._broadcasting = update, self._board.broadcasting
            self._headers = lines(scores.answer(update, broadcasting=self._broadcasting).raw_headers)
            self._unchanged = lines(scores.unchanged(update, broadcasting=self._broadcasting).raw_headers)
        # Last, since it takes from the limit: from here on the request is answered.
        told = readers.at_hand(self._web, token) if token is not None else b"" if self._board_is_open else None
        if told is None:
            return None
        if condition is not None and matches([condition.decode("latin-1")], update.etag):
            return Ready("/top-scores", 304, self._unchanged, told, b"")
        return Ready("/top-scores", 200, self._headers, told, update.payload)

    def _hot_endpoint(self, scope: Scope, known: Mapping[bytes, bytes]) -> Endpoint | None:
        """Find the endpoint of a start or an end, and set in the scope what the router would."""
        route, endpoint = HOT.get(scope["method"], (None, None))
        if route is None or b"origin" in known:
            return None
        match = route.path_regex.match(scope["path"])
        if match is None:
            return None
        scope.update(app=self.app, route=route, path_params=match.groupdict())
        return endpoint

    def _turned_away(self, scope: Scope) -> Ready | None:
        """Return the refusal of a start or an end, while too many requests are under way."""
        refusal = actions.too_many(self._web, scope["method"])
        if refusal is None:
            return None
        answer = problem(refusal, scope["request_id"])
        return Ready(scope["route"].path, answer.status_code, lines(answer.raw_headers), b"", bytes(answer.body))


async def _answer(endpoint: Endpoint, request: Request) -> tuple[Response, Exception | None]:
    """Call a hot endpoint, as Starlette's router and exception handlers would; return what was not expected, too."""
    try:
        return await endpoint(request), None
    except ScoreboardError as error:
        return await on_scoreboard_error(request, error), None
    except ClientDisconnect as error:
        return await on_disconnect(request, error), None
    except Exception as error:
        return await on_unexpected(request, error), error


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
