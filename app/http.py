"""HTTP, what every answer has in common: the body that comes in, errors as problem+json, request ids, headers."""

import logging
import re
import time
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeVar

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
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}
_API_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_HSTS = (b"strict-transport-security", b"max-age=31536000")

T = TypeVar("T")


class JSON(Response):
    """A JSON answer, written by msgspec."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


async def read_json(request: Request, shape: type[T]) -> T:
    """Read the body as a JSON object of a given shape.

    Raises:
        TooLarge, UnsupportedMediaType, Malformed: in this order.
    """
    body = await _read_body(request)
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower()
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise UnsupportedMediaType("The body must be application/json in UTF-8.")
    return strict_json.parse(body, shape)


async def _read_body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "").lstrip("0") or "0"
    if not announced.isdecimal() or len(announced) > 9 or int(announced) > LARGEST_BODY:
        raise TooLarge(f"The body is larger than {LARGEST_BODY} bytes.")
    body = bytearray()
    async for chunk in request.stream():  # how long it may take is bounded in app/http_protocol.py
        body += chunk
        if len(body) > LARGEST_BODY:
            raise TooLarge(f"The body is larger than {LARGEST_BODY} bytes.")
    return bytes(body)


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


Quick = Callable[[Scope], tuple[list[tuple[bytes, bytes]], bytes] | None]
"""Headers and body of an answer that needs nothing else, None for a request that does."""


class Edge:
    """The outermost layer: gives each request an id, and each answer its common headers.

    A route may add headers to its answer, whatever becomes of it, by appending to `scope["answer_headers"]`.
    """

    def __init__(self, app: ASGIApp, *, production: bool) -> None:
        self.app = app
        self.quick: Quick | None = None
        self.headers = [*_HEADERS, _HSTS] if production else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request_id, both_lengths = _look_at(scope["headers"])
        scope["request_id"] = request_id
        answer_headers: list[tuple[bytes, bytes]] = []
        scope["answer_headers"] = answer_headers
        began = time.perf_counter()
        status = 0

        if self.quick is not None and not both_lengths and scope["type"] == "http" and (plain := self.quick(scope)):
            headers, body = plain
            headers = [*headers, (b"x-request-id", request_id.encode()), *self.headers, _API_POLICY]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            _histogram(scope["path"], "GET", 200).observe(time.perf_counter() - began)
            return

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                headers = message["headers"] = list(message["headers"])
                headers.append((b"x-request-id", request_id.encode()))
                headers += self.headers
                headers += answer_headers
                if not any(name == b"content-security-policy" for name, _ in headers):
                    headers.append(_API_POLICY)
            elif message["type"] == "websocket.accept":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        if both_lengths and scope["type"] == "http":
            # Two servers in a row may disagree where such a request ends.
            error = Malformed("A request has Content-Length or Transfer-Encoding, never both.")
            answer = problem(error, request_id)
            answer.headers["connection"] = "close"
            await answer(scope, receive, send_with_headers)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send_with_headers)
            return
        with tracing.request(scope["headers"], request_id):
            try:
                await self.app(scope, receive, send_with_headers)
            finally:
                _observe(scope, status or 500, time.perf_counter() - began)


@lru_cache(maxsize=1000)
def _histogram(route: str, method: str, status: int) -> Any:
    # Found once for each combination: labels() itself costs more than the observation.
    return metrics.http_request_duration.labels(route, method, str(status))


def _observe(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "unknown")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    _histogram(route, method, status).observe(seconds)
    tracing.answered(method, route, status)


def _look_at(headers: list[tuple[bytes, bytes]]) -> tuple[str, bool]:
    """Give the request's id, the client's own if it is well-formed, and whether the body has two lengths."""
    request_id = ""
    lengths = 0
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name in (b"content-length", b"transfer-encoding"):
            lengths += 1
    return request_id or new_id(), lengths > 1
