"""GET /metrics, for Prometheus."""

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import Forbidden, ScoreboardError, Unauthorized
from app.web import Web, web_of
from db import outbox
from db.transaction import in_statement
from telemetry import metrics


async def show(request: Request) -> Response:
    """GET /metrics: everything that the processes of this service count, to who has the token."""
    web = web_of(request)
    status = metrics.refusal(
        request.headers.get("authorization"), token=web.settings.metrics_token, production=web.settings.production
    )
    if status == 403:
        raise Forbidden("Set METRICS_TOKEN to have metrics in production.")
    if status == 401:
        raise Unauthorized("Metrics need the token of METRICS_TOKEN: Authorization: Bearer <token>.")
    lag = await web.lag.run(lambda: _lag(web))
    asked = {} if lag is None else {"settle_lag_seconds": ("Age of the oldest completed action not settled.", lag)}
    if web.replica.engine is not None:
        asked["replica_lag_seconds"] = (
            "How far the replica is behind, at most; +Inf while it is away.",
            web.replica.lag,
        )
    return Response(metrics.scrape(**asked), media_type=metrics.CONTENT_TYPE)


async def _lag(web: Web) -> float | None:
    """Ask the database; while it is away there is no such value, and the others are worth having."""

    def ask(conn: sa.Connection) -> float:
        return outbox.settle_lag(conn)

    try:
        return await web.upkeep.run(in_statement, web.engine, ask)
    except ScoreboardError:
        return None
