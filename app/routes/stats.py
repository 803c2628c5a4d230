"""What operators see: the audit and the counters."""

from starlette.requests import Request
from starlette.responses import Response

from app.board import audit
from app.domain.ids import DEFAULT_BOARD
from app.http.answers import JSON
from app.routes.operator_shapes import AuditReport, InvariantCheck, Stats
from app.routes.operators import operator
from config import queues
from db import moderation
from db.transaction import TimedOut


async def show_audit(request: Request) -> Response:
    """GET /admin/audit"""
    web, _ = await operator(request)
    age, complete = 0, True
    try:
        checks = [
            *await web.transaction(lambda conn: audit.audit(conn, web.board_rules)),
            *await web.database.run(audit.published, web.engine, web.publisher, web.board_rules),
        ]
    except TimedOut:
        # There is too much to add up within a request; bin/manage audit takes its time.
        last = await web.database.run(audit.last_result, web.publisher)
        if last is None:
            raise
        checks, age = last
        complete = {check.name for check in checks} == audit.NAMES
    return JSON(
        AuditReport(
            ok=complete and not any(check.violations for check in checks),
            checks=[InvariantCheck(check.name, check.violations) for check in checks],
            age_seconds=age,
        )
    )


async def show_stats(request: Request) -> Response:
    """GET /admin/stats"""
    web, _ = await operator(request)
    counters = await web.transaction(lambda conn: moderation.stats(conn, DEFAULT_BOARD))
    try:
        queued: int | None = await web.redis.llen(queues.SETTLE_QUEUE)
    except Exception:  # Redis is away, or the broker is elsewhere: the other numbers are worth having
        queued = None
    return JSON(
        Stats(
            users=counters.users,
            suspended=counters.suspended,
            held=counters.held,
            started=counters.started,
            unsettled=counters.unsettled,
            completions_per_minute=counters.completions,
            settle_lag_seconds=round(counters.settle_lag, 3),
            board_version=counters.version,
            queue_length=queued,
            connections=web.connections.count,
        )
    )
