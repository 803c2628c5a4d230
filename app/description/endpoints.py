"""The endpoints that serve the API's description, and the page that shows it."""

import hashlib
from functools import cache

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app.description.asyncapi import document as asyncapi_document
from app.description.openapi import document as openapi_document
from app.routes.pages import html
from app.web import web_of
from config.version import VERSION


@cache
def _openapi(root_path: str) -> tuple[bytes, str]:
    return _with_etag(msgspec.json.encode(openapi_document(VERSION, root_path)))


@cache
def _asyncapi(root_path: str) -> tuple[bytes, str]:
    return _with_etag(msgspec.json.encode(asyncapi_document(VERSION, root_path)))


def _with_etag(body: bytes) -> tuple[bytes, str]:
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'


async def openapi(request: Request) -> Response:
    """GET /openapi.json"""
    return _answer(request, *_openapi(web_of(request).settings.root_path))


async def asyncapi(request: Request) -> Response:
    """GET /asyncapi.json"""
    return _answer(request, *_asyncapi(web_of(request).settings.root_path))


def _answer(request: Request, body: bytes, etag: str) -> Response:
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


async def page(request: Request) -> Response:
    """GET /docs: a page to read the description."""
    return html(request, "docs.html")
