"""The pages, their files, and the client to copy."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.http.answers import PAGE_POLICY

STATIC = Path(__file__).parent.parent / "static"
_ASK_EACH_TIME = {"Cache-Control": "no-cache"}
"""The page's files belong together: a browser may keep each of them, but asks whether it is still the one."""


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_ASK_EACH_TIME)
        return response


files = _Files(directory=STATIC)


async def page(request: Request) -> Response:
    """GET /: the live page."""
    return FileResponse(STATIC / "index.html", headers={"Content-Security-Policy": PAGE_POLICY, **_ASK_EACH_TIME})


async def operator_page(request: Request) -> Response:
    """GET /operator: the operators' page."""
    return FileResponse(STATIC / "operator.html", headers={"Content-Security-Policy": PAGE_POLICY, **_ASK_EACH_TIME})


async def client(request: Request) -> Response:
    """GET /scoreboard.js: the client as an ES module."""
    return FileResponse(STATIC / "scoreboard.js", headers=_ASK_EACH_TIME)


async def client_types(request: Request) -> Response:
    """GET /scoreboard.d.ts: the client's types."""
    return FileResponse(STATIC / "scoreboard.d.ts", headers=_ASK_EACH_TIME, media_type="text/plain")
