"""Whether the process lives and is ready, and the page's files."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app import readiness
from app.http.answers import JSON, PAGE_POLICY
from app.routes.shapes import Health, Readiness
from app.web import web_of

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


async def healthz(request: Request) -> Response:
    """GET /healthz: the process lives, whatever else is away."""
    return JSON(Health("ok"))


async def readyz(request: Request) -> Response:
    """GET /readyz: whether this process should be sent requests."""
    web = web_of(request)
    checks = await web.readiness.run(lambda: readiness.check(web.engine, web.redis, web.relay, web.upkeep))
    if web.draining:
        answer = Readiness("down", checks, "The process is stopping.")
    elif checks.database != "ok":
        answer = Readiness("down", checks)
    else:
        answer = Readiness("ok" if checks == readiness.READY else "degraded", checks)
    if answer.status == "down":
        return JSON(answer, 503, {"Retry-After": "2"})
    return JSON(answer)
