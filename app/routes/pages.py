"""The pages, their files, and the client to copy."""

import re
from collections.abc import Sequence
from functools import lru_cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.http.answers import page_policy
from app.http.languages import VARY, language_of
from app.routes import static_files
from app.routes.brand import logo_origins
from app.routes.page_brand import in_brand
from app.routes.page_files import with_files
from app.routes.page_words import in_language
from app.routes.static_files import ASK_EACH_TIME, FOR_ANYBODY, Content, Release
from app.web import web_of
from config.settings import Settings

_RELATIVE = re.compile(r'(href|src)="(?:\./)?(?!#|/|\w+:)([^"]*)"')


class _Files:
    """What is below `/static/`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405)
        request = Request(scope, receive)
        path = scope["path"].removeprefix(f"{scope['root_path']}/")
        content, keeping = static_files.file_at(path, release_of(request))
        if content is None:
            raise HTTPException(404)
        await static_files.answer(request, content, {"Cache-Control": keeping, **FOR_ANYBODY})(scope, receive, send)


files = _Files()


def release_of(request: Request) -> Release:
    """Return the files of this release."""
    return static_files.release(production=web_of(request).settings.production)


def html(request: Request, name: str, *, attributes: str = "", framed_by: Sequence[str] = ()) -> Response:
    """Return a page in the reader's language, with the look of whoever runs the service.

    Args:
        attributes: markup, further attributes of its first element.
        framed_by: origins whose pages may show it in a frame; none: no page may.

    A page names its files and other pages by relative addresses. Below ROOT_PATH they are completed: a proxy may serve
    the page at `/board`, where they would miss that part.
    """
    web = web_of(request)
    headers = {
        "Content-Security-Policy": page_policy(
            web.identities.page_origins, images=logo_origins(web.settings), framed_by=framed_by
        ),
        "Vary": VARY,
        "Cache-Control": ASK_EACH_TIME,
    }
    written = _written(name, attributes, language_of(request), web.settings, release_of(request))
    return static_files.answer(request, written, headers)


@lru_cache(maxsize=64)
def _written(name: str, attributes: str, language: str, settings: Settings, release: Release) -> Content:
    page = release.files[name]
    text = in_brand(in_language(page.body.decode(), name, language), settings)
    text = with_files(text, release).replace("<html", f"<html{attributes}", 1)
    if settings.root_path:
        text = _RELATIVE.sub(rf'\1="{settings.root_path}/\2"', text)
    return Content.of(text.encode(), page.media_type)


async def page(request: Request) -> Response:
    """GET /: the live page; with `?wall` the wall."""
    return html(request, "wall.html" if "wall" in request.query_params else "index.html")


async def wall(request: Request) -> Response:
    """GET /wall: the boards on a screen for a hall."""
    return html(request, "wall.html")


async def operator_page(request: Request) -> Response:
    """GET /operator: the operators' page."""
    return html(request, "operator.html")


async def client(request: Request) -> Response:
    """GET /scoreboard.js: the client as an ES module."""
    return _as_it_is(request, "scoreboard.js")


async def client_types(request: Request) -> Response:
    """GET /scoreboard.d.ts: the client's types."""
    return _as_it_is(request, "scoreboard.d.ts")


def _as_it_is(request: Request, name: str) -> Response:
    return static_files.answer(
        request, release_of(request).files[name], {"Cache-Control": ASK_EACH_TIME, **FOR_ANYBODY}
    )
