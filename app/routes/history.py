"""What was: boards as they stood, scores over time, and what was completed lately."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TypeVar

import sqlalchemy as sa
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from app.board import courses, past
from app.board.visible import Frozen, frozen
from app.domain import periods, timeline
from app.domain.errors import BoardFrozen, Malformed, NotFound, WrongTime
from app.domain.ids import ActionId, UserId, is_id
from app.domain.messages import Row
from app.domain.periods import Period
from app.routes.etags import json_or_304
from app.routes.history_shapes import BoardHistory, Feed, FeedItem, Line, ScoreAt
from app.routes.paging import flag_of, limit_of
from app.routes.readers import Reader, reader
from app.routes.times import moment_of
from app.routes.which_board import Which, which_board
from db import boards, clock, feed, published, record
from db.feed import Place

T = TypeVar("T")

AHEAD = timedelta(seconds=5)
"""How far the clock of whoever asks for the present may be ahead of PostgreSQL's."""

PLAYERS = 10
"""Players whose scores over time are told at once."""

LOOK_AT = 1000
"""Actions that are looked at for one page of a feed."""

ANYBODY = UserId("anybody")
"""Whose turn it is to read the past, of all who come without a token."""

_CURSOR = re.compile(r"([0-9]{1,17})-([0-9a-f-]{36})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SMALLEST = timedelta(microseconds=1)


def asks_for_past(request: Request) -> bool:
    """Whether a request for a board asks for its past; `corrected=false` alone says nothing."""
    return "asOf" in request.query_params or request.query_params.get("corrected", "false") != "false"


async def board_as_of(request: Request) -> Response:
    """GET /top-scores?asOf="""
    who = await reader(request)
    corrected = flag_of(request, "corrected")
    moment = moment_of(request, "asOf")
    if moment is None:
        raise WrongTime("asOf: is needed with corrected.")
    which = which_board(request, who.web.board_rules)
    if corrected:
        rows = await _shared(
            request, who, lambda: _in_turn(who, which, lambda conn: _corrected(conn, which, moment, who))
        )
        return json_or_304(request, rows)
    stood = await who.web.database.run(who.read, which.rule, lambda conn: _stood(conn, which, moment), exact=True)
    since = {"Last-Modified": format_datetime(stood.since.astimezone(UTC), usegmt=True)} if stood.since else {}
    return json_or_304(request, stood.rows, since)


def _stood(conn: sa.Connection, which: Which, moment: datetime) -> record.Stood:
    stood = record.stood(conn, _period_then(conn, which, moment).id, moment)
    if not stood.known:
        raise NotFound("How the board stood then was not recorded yet.")
    return stood


def _corrected(conn: sa.Connection, which: Which, moment: datetime, who: Reader) -> list[Row]:
    past.begin(conn)
    period = _period_then(conn, which, moment)
    if not who.live and frozen(conn, period.id):
        raise BoardFrozen("While the board is frozen nobody is told what has become known since.")
    return boards.rows_of(past.board(conn, which.rule, period, moment))


def _period_then(conn: sa.Connection, which: Which, moment: datetime) -> Period:
    """Return the period that the request names, or else the one that was present at a moment."""
    if moment > clock.now(conn) + AHEAD:
        raise WrongTime("asOf: lies ahead.")
    then = None if which.named else periods.at(which.rule, moment)
    return then if then and which.rule.periodic else which.period(conn)


async def show_history(request: Request) -> Response:
    """GET /boards/:board/history"""
    who = await reader(request)
    which = which_board(request, who.web.board_rules)
    asked = _users(request)
    since, until = moment_of(request, "from"), moment_of(request, "to")
    points = limit_of(request, name="points", default=100, shortest=2, longest=500)

    def read(conn: sa.Connection) -> BoardHistory:
        past.begin(conn)
        now, period = clock.now(conn), which.period(conn)
        freeze = frozen(conn, period.id)
        hides = None if who.live else freeze
        first, last = courses.window(period, now, since, until, hides)
        moments = timeline.moments(first, last, points)
        users = asked or _first_users(conn, period, hides)
        found = courses.read(conn, which.rule, period, users, moments, hides)
        return BoardHistory(
            from_=first,
            to=last,
            items=[_line(it, moments) for it in found],
            frozen=True if freeze else UNSET,
        )

    return json_or_304(request, await _shared(request, who, lambda: _in_turn(who, which, read)))


def _first_users(conn: sa.Connection, period: Period, freeze: Frozen | None) -> list[UserId]:
    if freeze:
        rows = freeze.rows
    else:
        _, now = published.read_unless(conn, period.id, None)
        rows = now.rows if now else []
    return [row.userId for row in rows[:PLAYERS]]


def _users(request: Request) -> list[UserId]:
    """Return the players whom the query names, none when it names none.

    Raises:
        Malformed: when these are too many, or no ids.
    """
    text = request.query_params.get("users")
    if text is None:
        return []
    ids = list(dict.fromkeys(text.split(",")))
    if len(ids) > PLAYERS or not all(map(is_id, ids)):
        raise Malformed(f"users: must be 1 to {PLAYERS} ids of users, separated by commas.")
    return [UserId(it) for it in ids]


def _line(it: courses.Scores, moments: list[datetime]) -> Line:
    return Line(
        user_id=it.user_id,
        username=it.username,
        display_name=UNSET if it.display_name is None else it.display_name,
        points=[ScoreAt(at, score) for at, score in zip(moments, it.scores, strict=True)],
    )


async def show_feed(request: Request) -> Response:
    """GET /boards/:board/feed"""
    who = await reader(request)
    which = which_board(request, who.web.board_rules)
    limit, before = limit_of(request, default=20, longest=100), _place_of(request)

    def read(conn: sa.Connection) -> Feed:
        past.begin(conn)
        period = which.period(conn)
        freeze = frozen(conn, period.id)
        until = freeze.since if freeze and not who.live else None
        found, after = feed.read(conn, which.rule, period, before=before, until=until, limit=limit, look_at=LOOK_AT)
        return Feed(
            items=[_item(it) for it in found],
            next_cursor=_cursor(after) if after else UNSET,
            frozen=True if freeze else UNSET,
        )

    return json_or_304(request, await _shared(request, who, lambda: who.web.database.run(who.read, which.rule, read)))


def _item(it: feed.Counted) -> FeedItem:
    return FeedItem(
        action_id=it.action_id,
        at=it.at,
        user_id=it.user_id,
        username=it.username,
        display_name=UNSET if it.display_name is None else it.display_name,
        type=it.type,
        points=it.points,
        value=UNSET if it.value is None else it.value,
    )


def _cursor(place: Place) -> str:
    return f"{(place.at - _EPOCH) // _SMALLEST}-{place.action_id}"


def _place_of(request: Request) -> Place | None:
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    if not match or not is_id(match[2]):
        raise Malformed("cursor: must be the nextCursor of a page.")
    return Place(_EPOCH + int(match[1]) * _SMALLEST, ActionId(match[2]))


async def _in_turn(who: Reader, which: Which, read: Callable[[sa.Connection], T]) -> T:
    """Run a read that may be long: one of each player's at a time, and one of all who have no token."""
    return await who.web.reads.run(who.user_id or ANYBODY, who.read, which.rule, read)


async def _shared(request: Request, who: Reader, call: Callable[[], Awaitable[T]]) -> T:
    """Let all who ask the same at the same moment, such as the pages of a crowd, share one read."""
    shared: T = await who.web.past_reads.run(f"{request.url.path}?{request.url.query}&{who.live}&{who.known}", call)
    return shared
