"""The audit trail, as operators read it."""

from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import Malformed
from app.domain.trail import EVENT_KINDS
from app.domain.undo import undo_of
from app.http.answers import JSON
from app.routes.operator_shapes import AuditEvent, AuditEvents
from app.routes.operators import operator
from app.routes.paging import limit_of, number_cursor_of
from db import trail

PAGE = 50
LONGEST_PAGE = 200
LONGEST_USER = 64


async def list_events(request: Request) -> Response:
    """GET /admin/events"""
    web, _ = await operator(request)
    user, kind = request.query_params.get("user"), request.query_params.get("kind")
    if kind not in (None, *EVENT_KINDS):
        raise Malformed(f"kind: must be one of {', '.join(EVENT_KINDS)}.")
    if user is not None and not (0 < len(user) <= LONGEST_USER and "\0" not in user):
        raise Malformed("user: must be a username or a user's id.")
    limit, before = limit_of(request, default=PAGE, longest=LONGEST_PAGE), number_cursor_of(request)

    def read(conn: sa.Connection) -> list[AuditEvent]:
        user_id = None if user is None else trail.user_named(conn, user)
        if user is not None and user_id is None:
            return []
        rows = trail.page(conn, user_id=user_id, kind=kind, before=before, limit=limit + 1)
        can_be_undone = trail.newest(conn, rows)
        return [_event(row, row.id in can_be_undone) for row in rows]

    events = await web.transaction(read)
    return JSON(AuditEvents(events[:limit], events[limit - 1].event_id if len(events) > limit else None))


def _event(row: sa.Row[Any], can_be_undone: bool) -> AuditEvent:
    details = msgspec.json.decode(row.details)
    return AuditEvent(
        event_id=str(row.id),
        kind=row.kind,
        at=row.at,
        user_id=row.user_id,
        username=row.username,
        action_id=row.action_id,
        points=row.points,
        reason=row.reason,
        actor=row.actor,
        actor_name=row.actor_name,
        details=details,
        undo=undo_of(row.kind, row.user_id, row.action_id, details) if can_be_undone else None,
    )
