"""Operators freeze, thaw and reveal boards."""

from collections.abc import Callable
from typing import Annotated

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.board import freeze as freezing
from app.domain.board_rules import MOST_TOP, BoardRule
from app.domain.errors import NotFound
from app.domain.ids import BoardId
from app.domain.moments import Moment, in_utc
from app.http.answers import JSON, read_json
from app.routes.operator_shapes import BoardFreeze, BoardFreezes
from app.routes.operators import Operator, Reason, change, operator
from app.web import Web
from db.freezes import State

Label = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]


class ThawBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why a board is thawed, and which period of it: the present one when left out."""

    reason: Reason
    period: Label | None = None


class FreezeBody(ThawBody, forbid_unknown_fields=True, kw_only=True):
    """When a board is to freeze: at once when left out."""

    at: Moment | None = None


class RevealBody(ThawBody, forbid_unknown_fields=True, kw_only=True):
    """How many further places are revealed."""

    places: Annotated[int, msgspec.Meta(ge=1, le=MOST_TOP)] = 1


async def list_boards(request: Request) -> Response:
    """GET /admin/boards"""
    web, _ = await operator(request)
    found = await web.statement(lambda conn: freezing.find(conn, web.board_rules))
    return JSON(BoardFreezes([_shape(web.board_rules, state) for state in found]))


async def freeze(request: Request) -> Response:
    """POST /admin/boards/:board/freeze"""
    web, who, rule = await _operator_of(request)
    body = await read_json(request, FreezeBody)
    at = in_utc(body.at, "at")
    return await _changed(
        web,
        who,
        rule,
        body.period,
        lambda conn, board_id: freezing.freeze(conn, board_id, at=at, actor=who.actor, reason=body.reason),
    )


async def thaw(request: Request) -> Response:
    """POST /admin/boards/:board/thaw"""
    web, who, rule = await _operator_of(request)
    body = await read_json(request, ThawBody)
    return await _changed(
        web,
        who,
        rule,
        body.period,
        lambda conn, board_id: freezing.thaw(conn, rule, board_id, actor=who.actor, reason=body.reason),
    )


async def reveal(request: Request) -> Response:
    """POST /admin/boards/:board/reveal"""
    web, who, rule = await _operator_of(request)
    body = await read_json(request, RevealBody)
    return await _changed(
        web,
        who,
        rule,
        body.period,
        lambda conn, board_id: freezing.reveal(
            conn, rule, board_id, places=body.places, actor=who.actor, reason=body.reason
        ),
    )


async def _operator_of(request: Request) -> tuple[Web, Operator, BoardRule]:
    web, who = await operator(request)
    rule = web.board_rules.get(request.path_params["board"])
    if rule is None:
        raise NotFound("There is no such board.")
    return web, who, rule


async def _changed(
    web: Web, who: Operator, rule: BoardRule, label: str | None, work: Callable[[sa.Connection, BoardId], State]
) -> Response:
    state = await change(web, who, lambda conn: work(conn, freezing.period_id(conn, rule, label)))
    await web.publish_boards()
    return JSON(_shape(web.board_rules, state))


def _shape(rules: dict[BoardId, BoardRule], state: State) -> BoardFreeze:
    board, _, label = state.board_id.partition(":")
    rule = rules.get(BoardId(board))
    return BoardFreeze(
        board=board,
        title=rule.title if rule else board,
        period=label or msgspec.UNSET,
        frozen=state.frozen,
        frozen_from=state.frozen_from,
        thawed_at=state.thawed_at,
        revealed=msgspec.UNSET if state.revealed is None else state.revealed,
        places=msgspec.UNSET if state.places is None else state.places,
    )
