"""The endpoints that serve the API's description, and the page that shows it."""

import hashlib
from functools import cache

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from app.description.asyncapi import document as asyncapi_document
from app.description.openapi import document as openapi_document
from app.http.answers import PAGE_POLICY
from app.routes.pages import STATIC
from config.version import VERSION


@cache
def _openapi() -> tuple[bytes, str]:
    return _with_etag(msgspec.json.encode(openapi_document(VERSION)))


@cache
def _asyncapi() -> tuple[bytes, str]:
    return _with_etag(msgspec.json.encode(asyncapi_document(VERSION)))


def _with_etag(body: bytes) -> tuple[bytes, str]:
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'


async def openapi(request: Request) -> Response:
    """GET /openapi.json"""
    return _answer(request, *_openapi())


async def asyncapi(request: Request) -> Response:
    """GET /asyncapi.json"""
    return _answer(request, *_asyncapi())


def _answer(request: Request, body: bytes, etag: str) -> Response:
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


async def page(request: Request) -> Response:
    """GET /docs: a page to read the description."""
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}
    return FileResponse(STATIC / "docs.html", headers=headers)
