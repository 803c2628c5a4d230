"""Whether the process lives and is ready, and the page's files."""

import asyncio
from pathlib import Path

from redis.exceptions import RedisError, ResponseError
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.domain.errors import ScoreboardError
from app.http.answers import JSON, PAGE_POLICY
from app.web import Web, web_of
from db.redis import WORKER_SEEN_KEY
from db.redis import check_writable as check_redis_writable
from db.redis_connection import ReadOnly as RedisReadOnly
from db.transaction import ReadOnly, check_writable

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
    fine = all(word == OK for word in checks.values())
    status = "down" if web.draining or checks["database"] != OK else "ok" if fine else "degraded"
    answer = {"status": status, "checks": checks}
    if web.draining:
        answer["detail"] = "The process is stopping."
    return JSON(answer, 503 if status == "down" else 200, {"Retry-After": "2"} if status == "down" else None)


OK, READ_ONLY, DOWN = "ok", "read-only", "down"


async def _checks(web: Web) -> dict[str, str]:
    async def ask_database() -> str:
        try:
            await web.upkeep.run(check_writable, web.engine)
        except ReadOnly:
            return READ_ONLY
        except ScoreboardError:
            return DOWN
        return OK

    async def ask_redis() -> tuple[str, str]:
        try:
            await web.upkeep.run(check_redis_writable, web.redis)
            word = OK
        except RedisReadOnly:
            word = READ_ONLY
        except ResponseError:  # it is full, and can be read
            word = DOWN
        except (RedisError, ScoreboardError):
            return DOWN, DOWN
        try:
            return word, OK if await web.upkeep.run(web.redis.exists, WORKER_SEEN_KEY) else DOWN
        except (RedisError, ScoreboardError):
            return word, DOWN

    database, (cache, worker) = await asyncio.gather(ask_database(), ask_redis())
    return {"database": database, "redis": cache, "relay": OK if web.relay.connected else DOWN, "worker": worker}
