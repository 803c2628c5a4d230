"""The boards that there are, and their periods."""

from datetime import datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from app.board.states import board_states
from app.domain import periods
from app.domain.board_rules import BoardRule
from app.domain.errors import Malformed
from app.domain.freezes import Freeze
from app.domain.periods import Period
from app.http.answers import JSON
from app.routes.board_shapes import Board, BoardPeriod, BoardPeriods, Boards
from app.routes.paging import limit_of
from app.routes.readers import reader
from app.routes.which_board import which_board
from db import clock, outbox
from db import periods as stored

T = TypeVar("T")


async def list_boards(request: Request) -> Response:
    """GET /boards"""
    web, *_ = await reader(request)
    # Everybody asks at the same moment, such as that at which a contest begins: they share one answer.
    states = await web.board_states.run(lambda: web.transaction(lambda conn: board_states(conn, web.board_rules)))
    return JSON(Boards([_board(it.rule, it.period, it.freeze) for it in states]))


def _board(rule: BoardRule, period: Period | None, freeze: Freeze | None) -> Board:
    return Board(
        board=rule.id,
        title=rule.title,
        window=rule.window,
        zone=rule.zone,
        from_=_or_unset(rule.starts),
        to=_or_unset(rule.ends),
        types=UNSET if rule.types is None else sorted(rule.types),
        of=rule.of,
        by=rule.by,
        order=rule.order,
        unit=_or_unset(rule.unit),
        top=rule.top,
        freeze_at=_or_unset(rule.freeze_at),
        frozen=freeze is not None,
        frozen_since=freeze.since if freeze else UNSET,
        revealed=_or_unset(freeze.revealed if freeze else None),
        places=_or_unset(freeze.places if freeze else None),
        period=_or_unset(period.label if period else None),
        starts_at=_or_unset(period.starts if period else None),
        ends_at=_or_unset(period.ends if period else None),
    )


async def list_periods(request: Request) -> Response:
    """GET /boards/:board/periods"""
    web, *_ = await reader(request)
    rule = which_board(request, web.board_rules).rule
    limit, before = limit_of(request, default=50, longest=200), _cursor_of(request, rule)

    def read(conn: sa.Connection) -> tuple[datetime, list[Period], str | None]:
        now = clock.now(conn)
        # What is not settled yet was recorded since this moment, and ended an hour before it at most.
        settled = now - timedelta(seconds=outbox.settle_lag(conn))
        return settled, *stored.page(conn, rule, periods.at(rule, now), before=before, limit=limit)

    settled, page, following = await web.transaction(read)
    return JSON(BoardPeriods([_period(it, settled) for it in page], _or_unset(following)))


def _period(period: Period, settled: datetime) -> BoardPeriod:
    assert period.label is not None
    assert period.starts is not None
    assert period.ends is not None
    return BoardPeriod(period.label, period.starts, period.ends, period.final(settled))


def _cursor_of(request: Request, rule: BoardRule) -> str | None:
    cursor = request.query_params.get("cursor")
    if cursor is not None and periods.named(rule, cursor) is None:
        raise Malformed("cursor: must be the nextCursor of a page.")
    return cursor


def _or_unset(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value
