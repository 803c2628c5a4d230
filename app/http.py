"""HTTP, what every answer has in common: the body that comes in, errors as problem+json, request ids, headers."""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import strict_json
from app.domain.errors import (
    Malformed,
    ScoreboardError,
    TooLarge,
    UnsupportedMediaType,
)
from app.domain.ids import new_id
from config import logs, metrics, tracing

log = logging.getLogger("scoreboard.http")

LARGEST_BODY = 16 * 1024

_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
API_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}

T = TypeVar("T")


def common_headers(*, production: bool) -> list[tuple[bytes, bytes]]:
    """Give the headers that every answer has; besides, API_POLICY is every answer's that has no policy of its own."""
    headers = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
    return [*headers, (b"strict-transport-security", b"max-age=31536000")] if production else headers


class JSON(Response):
    """A JSON answer, written by msgspec."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


async def read_json(request: Request, shape: type[T], *, or_nothing: bool = False) -> T:
    """Read the body as a JSON object of a given shape.

    Args:
        or_nothing: take no body at all, without a media type, for an empty object.

    Raises:
        TooLarge, UnsupportedMediaType, Malformed: in this order.
    """
    body = await _read_body(request)
    if or_nothing and not body and "content-type" not in request.headers:
        return strict_json.parse(b"{}", shape)
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower()
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise UnsupportedMediaType("The body must be application/json in UTF-8.")
    return strict_json.parse(body, shape)


async def _read_body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "").lstrip("0") or "0"
    if not announced.isdecimal() or len(announced) > 9 or int(announced) > LARGEST_BODY:
        raise TooLarge(f"The body is larger than {LARGEST_BODY} bytes.")
    body = b""
    more = True
    while more:  # how long it may take is bounded in app/http_protocol.py
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message["body"]
        more = message["more_body"]
        if len(body) > LARGEST_BODY:
            raise TooLarge(f"The body is larger than {LARGEST_BODY} bytes.")
    return body


def problem(error: ScoreboardError, request_id: str) -> Response:
    """Render an expected error. Source: contract, section 4, "Errors"; RFC 9457."""
    return _problem(error.status, error.code, error.title, error.detail, request_id, error.retry_after, **error.extra)


def _problem(
    status: int, code: str, title: str, detail: str, request_id: str, retry_after: int | None = None, **extra: Any
) -> Response:
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    body = {
        "type": f"urn:scoreboard:error:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "requestId": request_id,
        **extra,
    }
    return JSON(body, status, headers, media_type="application/problem+json")


async def on_scoreboard_error(request: Request, error: Exception) -> Response:
    """Answer an expected error."""
    assert isinstance(error, ScoreboardError)
    if error.status in (400, 413, 415):
        _invalid(request, error.code, error.detail)
    return problem(error, request.scope["request_id"])


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what Starlette's router raises: no such path, or not with this method."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "-")
    answer = _problem(error.status_code, code, phrase, f"{phrase}.", request.scope["request_id"])
    answer.headers.update(error.headers or {})
    return answer


async def on_disconnect(request: Request, error: Exception) -> Response:
    """Answer nobody: the client has gone while its body was read."""
    return Response(status_code=400)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """Answer what nobody expected, with nothing of the inside; the traceback is in the log alone."""
    # uvicorn logs the traceback afterwards; this line says whose request it was.
    logs.event(
        log,
        logs.REQUEST_FAILED,
        logging.ERROR,
        requestId=request.scope["request_id"],
        error=type(error).__name__,
        method=request.method,
        path=request.url.path,
    )
    detail = "Something went wrong on our side. The request id finds it in the log."
    answer = _problem(500, "internal-error", "Internal server error", detail, request.scope["request_id"])
    answer.headers["connection"] = "close"  # uvicorn closes it: a client must not send its next request there
    return answer


def _invalid(request: Request, code: str, detail: str) -> None:
    logs.event(
        logs.security,
        logs.REQUEST_INVALID,
        requestId=request.scope["request_id"],
        code=code,
        detail=detail,
        method=request.method,
        path=request.url.path,
    )


EXCEPTION_HANDLERS = {
    ScoreboardError: on_scoreboard_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_unexpected,
}


Header = tuple[bytes, bytes]


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
    every answer of HTTP has in common is added in `app.http_protocol`.
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
        known = dict(scope["headers"])  # of a header that came twice the last
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
            # Two servers in a row may disagree where such a request ends.
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
    """Tell whether there is more than one word on where the body ends."""
    if b"transfer-encoding" not in known and len(known) == len(headers):
        return False
    return sum(name in (b"content-length", b"transfer-encoding") for name, _ in headers) > 1
