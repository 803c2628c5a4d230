"""The pages, their files, and the client to copy."""

import hashlib
import re
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.http.answers import page_policy
from app.http.languages import VARY, language_of
from app.routes.etags import matches
from app.routes.page_words import in_language
from app.web import web_of

STATIC = Path(__file__).parent.parent / "static"
_ASK_EACH_TIME = {"Cache-Control": "no-cache"}
"""The page's files belong together: a browser may keep each of them, but asks whether it is still the one."""


_RELATIVE = re.compile(r'(href|src)="(?:\./)?(?!#|/|\w+:)([^"]*)"')


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_ASK_EACH_TIME)
        return response


files = _Files(directory=STATIC)


def html(request: Request, name: str) -> Response:
    """Return a page in the reader's language.

    A page names its files and other pages by relative addresses. Below ROOT_PATH they are completed: a proxy may serve
    the page at `/board`, where they would miss that part.
    """
    web = web_of(request)
    body, etag = _written(name, language_of(request), web.settings.root_path)
    headers = {
        "Content-Security-Policy": page_policy(web.identities.page_origins),
        "ETag": etag,
        "Vary": VARY,
        **_ASK_EACH_TIME,
    }
    if matches(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="text/html", headers=headers)


@cache
def _written(name: str, language: str, root_path: str) -> tuple[bytes, str]:
    text = in_language((STATIC / name).read_text(), name, language)
    if root_path:
        text = _RELATIVE.sub(rf'\1="{root_path}/\2"', text)
    body = text.encode()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


async def page(request: Request) -> Response:
    """GET /: the live page."""
    return html(request, "index.html")


async def operator_page(request: Request) -> Response:
    """GET /operator: the operators' page."""
    return html(request, "operator.html")


async def client(request: Request) -> Response:
    """GET /scoreboard.js: the client as an ES module."""
    return FileResponse(STATIC / "scoreboard.js", headers=_ASK_EACH_TIME)


async def client_types(request: Request) -> Response:
    """GET /scoreboard.d.ts: the client's types."""
    return FileResponse(STATIC / "scoreboard.d.ts", headers=_ASK_EACH_TIME, media_type="text/plain")
