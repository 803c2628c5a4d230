"""Service keys: operators make, list and revoke them; a key never does."""

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app.access import issued_keys
from app.domain.errors import NotFound
from app.domain.ids import is_id
from app.domain.moments import Moment, in_utc
from app.domain.service_keys import NAME, KeyScope
from app.http.answers import JSON, read_json
from app.routes.admin import MayHaveReason
from app.routes.operator_shapes import KeyRecord, KeyRecords, NewKey
from app.routes.operators import OptionalReason, admin, change
from app.routes.paging import cursor_of, limit_of
from db import service_keys
from db.service_keys import KeyRow

PAGE = 50
LONGEST_PAGE = 200

KeyName = Annotated[str, msgspec.Meta(max_length=512, extra_json_schema={"pattern": f"^{NAME}$"})]
Scopes = Annotated[list[KeyScope], msgspec.Meta(min_length=1, max_length=3)]


class KeyBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body that makes a service key."""

    name: KeyName
    scopes: Scopes
    expires_at: Moment | None = None
    reason: OptionalReason = None


async def create(request: Request) -> Response:
    """POST /admin/keys"""
    web, claims = await admin(request)
    body = await read_json(request, KeyBody)
    expires_at = in_utc(body.expires_at, "expiresAt")
    row, key = await change(
        web,
        claims,
        lambda conn: issued_keys.make(
            conn, name=body.name, scopes=body.scopes, expires_at=expires_at, actor=claims.actor, reason=body.reason
        ),
    )
    made = NewKey(**{name: getattr(_record(row), name) for name in KeyRecord.__struct_fields__}, key=key)
    return JSON(made, 201, {"Cache-Control": "no-store"})


async def list_keys(request: Request) -> Response:
    """GET /admin/keys"""
    web, _ = await admin(request)
    limit, before = limit_of(request, default=PAGE, longest=LONGEST_PAGE), cursor_of(request)
    rows, more = await web.transaction(lambda conn: service_keys.page(conn, before=before, limit=limit))
    return JSON(KeyRecords([_record(row) for row in rows], rows[-1].key_id if more else None))


async def revoke(request: Request) -> Response:
    """DELETE /admin/keys/:id"""
    web, claims = await admin(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    key_id = request.path_params["id"]
    if not is_id(key_id):
        raise NotFound("There is no such service key.")
    revoked = await change(
        web, claims, lambda conn: issued_keys.revoke(conn, key_id=key_id, actor=claims.actor, reason=body.reason)
    )
    web.keys.forget(revoked)
    return Response(status_code=204)


def _record(row: KeyRow) -> KeyRecord:
    return KeyRecord(
        id=row.key_id,
        name=row.name,
        scopes=list(row.scopes),
        expires_at=row.expires_at,
        created_at=row.created_at,
        created_by=row.created_by,
        last_used_at=row.last_used_at,
    )
