"""Answers that a client which has them already need not be sent again."""

import hashlib
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response


def json_or_304(request: Request, content: Any, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON under an ETag made of its bytes, or without a body when the client has the same."""
    body = msgspec.json.encode(content)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", **(headers or {})}
    if matches(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def matches(headers: list[str], etag: str) -> bool:
    """Return whether an If-None-Match has this tag: compared weakly, as RFC 9110 wants it."""
    return any(part.strip().removeprefix("W/") in (etag, "*") for part in ",".join(headers).split(","))
