"""Flags that operators switch."""

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import NotFound
from app.http.answers import JSON, read_json
from app.routes.operator_shapes import Flags, FlagState
from app.routes.operators import OptionalReason, change, operator
from db import audit_events, feature_flags
from db.feature_flags import Flag


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
    web, who = await operator(request)
    name = request.path_params["name"]
    if name not in feature_flags.NAMES:
        raise NotFound("There is no such flag.")
    body = await read_json(request, FlagBody)

    def switch(conn: sa.Connection) -> Flag:
        audit_events.record(conn, "flag_changed", actor=who.actor, reason=body.reason, name=name, enabled=body.enabled)
        return feature_flags.write(conn, name, enabled=body.enabled, actor=who.actor)

    flag = await change(web, who, switch)
    if name == feature_flags.BROADCAST:
        web.boards.broadcast(flag.enabled)
    return JSON(_flag(flag))


def _flag(flag: Flag) -> FlagState:
    return FlagState(flag.name, flag.enabled, flag.updated_at, flag.updated_by)
