"""Whether the process lives, and whether it should be sent requests."""

from starlette.requests import Request
from starlette.responses import Response

from app import readiness
from app.http.answers import JSON
from app.routes.shapes import Health, Readiness
from app.web import web_of


async def healthz(request: Request) -> Response:
    """GET /healthz: the process lives, whatever else is away."""
    return JSON(Health("ok"))


async def readyz(request: Request) -> Response:
    """GET /readyz: whether this process should be sent requests."""
    web = web_of(request)
    checks = await web.readiness.run(lambda: readiness.check(web.engine, web.redis, web.relay, web.upkeep, web.replica))
    if web.draining:
        answer = Readiness("down", checks, "The process is stopping.")
    elif checks.database != "ok":
        answer = Readiness("down", checks)
    else:
        answer = Readiness("ok" if checks.complete else "degraded", checks)
    if answer.status == "down":
        return JSON(answer, 503, {"Retry-After": "2"})
    return JSON(answer)
