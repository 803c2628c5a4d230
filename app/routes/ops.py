"""Whether the process lives and is ready, and the page's files."""

import asyncio
from pathlib import Path

import redis
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.domain.errors import ScoreboardError
from app.http import JSON, PAGE_POLICY
from app.web import Web, web_of
from db.redis import WORKER_SEEN_KEY
from db.transaction import in_statement

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
    return JSON({"status": "ok"})


async def readyz(request: Request) -> Response:
    """GET /readyz: whether this process should be sent requests."""
    web = web_of(request)
    checks = await web.readiness.run(lambda: _checks(web))
    status = "down" if web.draining or not checks["database"] else "ok" if all(checks.values()) else "degraded"
    words = {name: "ok" if up else "down" for name, up in checks.items()}
    answer = {"status": status, "checks": words}
    if web.draining:
        answer["detail"] = "The process is stopping."
    return JSON(answer, 503 if status == "down" else 200, {"Retry-After": "2"} if status == "down" else None)


async def _checks(web: Web) -> dict[str, bool]:
    def database() -> bool:
        return bool(in_statement(web.engine, lambda conn: conn.execute(sa.text("SELECT 1")).scalar()))

    async def ask_database() -> bool:
        try:
            return await web.upkeep.run(database)
        except ScoreboardError:
            return False

    async def ask_redis() -> tuple[bool, bool]:
        try:
            return True, await web.upkeep.run(web.redis.exists, WORKER_SEEN_KEY) == 1
        except (redis.RedisError, ScoreboardError):
            return False, False

    database_up, (redis_up, worker_up) = await asyncio.gather(ask_database(), ask_redis())
    return {"database": database_up, "redis": redis_up, "relay": web.relay.connected, "worker": worker_up}
