"""What all HTTP endpoints share: reading the body, JSON answers, errors as problem+json, headers."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.domain.errors import (
    ScoreboardError,
    TooLarge,
    UnsupportedMediaType,
)
from app.http import strict_json
from telemetry import logs

log = logging.getLogger("scoreboard.http")

LARGEST_BODY = 16 * 1024

API_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")

Header = tuple[bytes, bytes]
T = TypeVar("T")


def common_headers(*, production: bool) -> list[Header]:
    """Return the headers of every answer; one without a content security policy of its own also gets API_POLICY."""
    headers = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
    return [*headers, (b"strict-transport-security", b"max-age=31536000")] if production else headers


def page_policy(asked: Sequence[str], *, images: Sequence[str] = (), framed_by: Sequence[str] = ()) -> str:
    """Return the content security policy of a page.

    Args:
        asked: other origins that it calls.
        images: other origins that it shows pictures of.
        framed_by: origins whose pages may show it in a frame; none: no page may.
    """
    asks = " ".join(["'self' ws: wss:", *asked])
    pictures = " ".join(["'self' data:", *images])
    frames = " ".join(["'self'", *framed_by]) if framed_by else "'none'"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {pictures}; font-src 'self'; "
        f"connect-src {asks}; base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
    )


class JSON(Response):
    """A JSON answer, written by msgspec."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


async def read_json(request: Request, shape: type[T], *, or_nothing: bool = False) -> T:
    """Read the body as a JSON object of a given shape.

    Args:
        or_nothing: read an empty body as an empty object, whatever its Content-Type.

    Raises:
        TooLarge, UnsupportedMediaType, Malformed: in this order.
    """
    body = await _read_body(request)
    if or_nothing and not body:
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
    while more:  # how long it may take is bounded in app/serving/http_protocol.py
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message["body"]
        more = message["more_body"]
        if len(body) > LARGEST_BODY:
            raise TooLarge(f"The body is larger than {LARGEST_BODY} bytes.")
    return body


class Problem(msgspec.Struct, rename="camel"):
    """Why a request failed (RFC 9457); `code` is stable, `action` is there when it has ended before."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


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
    body = Problem(f"urn:scoreboard:error:{code}", title, status, detail, code, request_id)
    content = {**msgspec.to_builtins(body), **extra} if extra else body
    return JSON(content, status, headers, media_type="application/problem+json")


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
    """End a request whose client has gone while its body was read."""
    return Response(status_code=400)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """Answer an unexpected error without any internals; the traceback is in the log alone."""
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
    logs.refused(
        logs.REQUEST_INVALID,
        request.app.state.web.admission.address(request.scope),
        logging.INFO,
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
