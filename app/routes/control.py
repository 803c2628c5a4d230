"""Flags, the audit and the counters: what operators steer and see."""

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.board import audit
from app.domain.errors import NotFound
from app.domain.ids import DEFAULT_BOARD
from app.http.answers import JSON, read_json
from app.routes.operators import OptionalReason, change, operator
from app.routes.shapes import AuditReport, Flags, FlagState, InvariantCheck, Stats
from config import queues
from db import audit_events, feature_flags, moderation
from db.feature_flags import Flag
from db.transaction import TimedOut


class FlagBody(msgspec.Struct, forbid_unknown_fields=True):
    """A flag's new state."""

    enabled: bool
    reason: OptionalReason = None


async def list_flags(request: Request) -> Response:
    """GET /admin/flags"""
    web, _ = await operator(request)
    flags = await web.transaction(feature_flags.read)
    return JSON(Flags([_flag(flag) for flag in flags]))


async def set_flag(request: Request) -> Response:
    """PUT /admin/flags/:name"""
    web, claims = await operator(request)
    name = request.path_params["name"]
    if name not in feature_flags.NAMES:
        raise NotFound("There is no such flag.")
    body = await read_json(request, FlagBody)

    def switch(conn: sa.Connection) -> Flag:
        audit_events.record(conn, "flag_changed", actor=claims.sub, reason=body.reason, name=name, enabled=body.enabled)
        return feature_flags.write(conn, name, enabled=body.enabled, actor=claims.sub)

    flag = await change(web, claims, switch)
    if name == feature_flags.BROADCAST:
        web.boards.broadcast(flag.enabled)
    return JSON(_flag(flag))


async def show_audit(request: Request) -> Response:
    """GET /admin/audit"""
    web, _ = await operator(request)
    age, complete = 0, True
    try:
        checks = [
            *await web.transaction(lambda conn: audit.audit(conn, web.board_ids)),
            *await web.database.run(audit.published, web.engine, web.publisher, web.board_ids),
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
        queued: int | None = await web.database.run(lambda: int(web.redis.llen(queues.SETTLE_QUEUE)))
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


def _flag(flag: Flag) -> FlagState:
    return FlagState(flag.name, flag.enabled, flag.updated_at, flag.updated_by)
