"""Join codes: operators make, list and delete them."""

from dataclasses import asdict
from typing import Annotated

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.access.page_url import page_url
from app.accounts import join_codes
from app.domain.errors import NotFound
from app.domain.ids import JoinCodeId, is_id
from app.domain.moments import Moment, in_utc
from app.http.answers import JSON, read_json
from app.routes.admin import LONGEST_PAGE, PAGE, MayHaveReason
from app.routes.join_qr import qr_svg
from app.routes.operator_shapes import JoinCodeRecord, JoinCodeRecords, NewJoinCode
from app.routes.operators import change, operator
from app.routes.paging import cursor_of, limit_of
from db import join_codes as stored
from db.join_codes import JoinCode


class JoinCodeBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A new join code: how often it may be used, until when, and what it is for."""

    uses: Annotated[int, msgspec.Meta(ge=1, le=join_codes.MOST_USES)]
    expires_at: Moment | None = None
    note: Annotated[str, msgspec.Meta(max_length=join_codes.LONGEST_NOTE)] | None = None


async def create(request: Request) -> Response:
    """POST /admin/join-codes"""
    web, who = await operator(request)
    body = await read_json(request, JoinCodeBody)
    expires_at = in_utc(body.expires_at, "expiresAt")

    def make(conn: sa.Connection) -> tuple[str, JoinCode]:
        return join_codes.create(
            conn,
            web.settings.secret_key,
            uses=body.uses,
            expires_at=expires_at,
            note=body.note,
            actor=who.actor,
        )

    code, made = await change(web, who, make)
    url = join_codes.link(page_url(request, web.settings), code)
    answer = NewJoinCode(**asdict(made), code=code, url=url, qr=qr_svg(url))
    return JSON(answer, 201, headers={"Cache-Control": "no-store"})


async def list_all(request: Request) -> Response:
    """GET /admin/join-codes"""
    web, _ = await operator(request)
    limit, before = limit_of(request, default=PAGE, longest=LONGEST_PAGE), cursor_of(request)
    codes, after = await web.statement(lambda conn: stored.page(conn, before=before, limit=limit))
    return JSON(JoinCodeRecords([JoinCodeRecord(**asdict(it)) for it in codes], after))


async def delete(request: Request) -> Response:
    """DELETE /admin/join-codes/:id"""
    web, who = await operator(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    code_id = request.path_params["id"]
    if not is_id(code_id):
        raise NotFound("There is no such join code.")
    await change(
        web,
        who,
        lambda conn: join_codes.delete(conn, JoinCodeId(code_id), actor=who.actor, reason=body.reason),
    )
    return Response(status_code=204)
