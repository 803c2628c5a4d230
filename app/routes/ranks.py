"""Places on boards: of one user, of many, around a user, and all of them by pages."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from app.board.visible import Frozen
from app.concurrency.batching import Batcher
from app.domain.board_rules import BoardRule
from app.domain.errors import NotFound
from app.domain.ids import UserId, is_id
from app.domain.messages import Row
from app.http.answers import JSON, read_json
from app.ranks import After, Around, Asked, Places, Rows, Stretch
from app.routes.guards import ME
from app.routes.paging import limit_of
from app.routes.rank_cursors import Cursor, cursor_of
from app.routes.rank_shapes import BoardPage, Place, RankedUsers
from app.routes.readers import Reader, reader
from app.routes.which_board import Which, which_board
from db.ranks import Listed, Ranked

MOST_FRIENDS = 100
DEFAULT_AROUND, DEFAULT_PAGE, LONGEST = 11, 50, 100


class RanksBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Whose places are asked for."""

    user_ids: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=MOST_FRIENDS)]


async def show(request: Request) -> Response:
    """GET /boards/:board/ranks/:userId"""
    asks = await reader(request)
    which = which_board(request, asks.web.board_rules)
    user_id = _user_of(request, asks)
    places = await _ranks(asks, which).submit(Asked(which, (user_id,), asks.live))
    if not places.users:
        raise NotFound("There is no such user.")
    return JSON(_place(places.users[0], places, which.rule, asks))


async def find(request: Request) -> Response:
    """POST /boards/:board/ranks"""
    asks = await reader(request)
    which = which_board(request, asks.web.board_rules)
    body = await read_json(request, RanksBody)
    wanted = tuple(UserId(it) for it in dict.fromkeys(body.user_ids) if is_id(it))
    places = await _ranks(asks, which).submit(Asked(which, wanted, asks.live))
    items = [_place(user, places, which.rule, asks) for user in places.users]
    items.sort(key=lambda it: (it.rank is None, it.rank, it.user_id))
    return JSON(RankedUsers(items, frozen=_frozen(places.frozen)))


async def around(request: Request) -> Response:
    """GET /boards/:board/around/:userId"""
    asks = await reader(request)
    which = which_board(request, asks.web.board_rules)
    user_id = _user_of(request, asks)
    limit = limit_of(request, default=DEFAULT_AROUND, longest=LONGEST)
    found = await _stretches(asks, which).submit(Stretch(which, Around(user_id), limit))
    rows = _rows(found.rows)
    if found.frozen and not asks.live:
        rows = found.frozen.rows
        mine = next((number for number, row in enumerate(rows) if row.userId == user_id), None)
        first = max(0, min((mine or 0) - limit // 2, len(rows) - limit))
        rows = [] if mine is None else rows[first : first + limit]
    return JSON(BoardPage(rows, frozen=_frozen(found.frozen)))


async def standings(request: Request) -> Response:
    """GET /boards/:board/standings"""
    asks = await reader(request)
    which = which_board(request, asks.web.board_rules)
    limit = limit_of(request, default=DEFAULT_PAGE, longest=LONGEST)
    cursor = cursor_of(request, which)
    after = After() if cursor is None else After(cursor.rank, cursor.key)
    found = await _stretches(asks, which).submit(Stretch(which, after, limit, cursor.period_id if cursor else None))
    if found.frozen and not asks.live:
        rest = [row for row in found.frozen.rows if row.rank > after.rank]
        page = rest[:limit]
        next_cursor = Cursor(found.period_id, page[-1].rank).text if len(rest) > limit else UNSET
        return JSON(BoardPage(page, next_cursor, frozen=True))
    if cursor is not None and cursor.key is None:
        raise cursor.over()
    return JSON(_page(found, limit))


def _ranks(asks: Reader, which: Which) -> Batcher[Asked, Places]:
    return asks.web.crowd_ranks if asks.may_be_old(which.rule) else asks.web.ranks


def _stretches(asks: Reader, which: Which) -> Batcher[Stretch, Rows]:
    return asks.web.crowd_stretches if asks.may_be_old(which.rule) else asks.web.stretches


def _page(found: Rows, limit: int) -> BoardPage:
    rows = found.rows[:limit]
    more = len(found.rows) > limit
    next_cursor = Cursor(found.period_id, rows[-1].rank, rows[-1].key).text if more else UNSET
    return BoardPage(_rows(rows), next_cursor, frozen=_frozen(found.frozen))


def _user_of(request: Request, asks: Reader) -> UserId:
    user_id = request.path_params["user_id"]
    if user_id == ME and asks.user_id is not None:
        return asks.user_id
    if not is_id(user_id):
        raise NotFound("There is no such user.")
    return UserId(user_id)


def _place(user: Ranked, places: Places, rule: BoardRule, asks: Reader) -> Place:
    """Return what a reader may see of a user's place."""
    score = user.score if user.score is not None or rule.valued else 0
    place = Place(
        user_id=user.user_id,
        username=user.username,
        display_name=UNSET if user.display_name is None else user.display_name,
        score=score,
        rank=user.rank,
        of=user.of,
        percentile=percentile(user.rank, user.of) if user.rank and user.of else None,
        frozen=_frozen(places.frozen),
    )
    if places.frozen is None or asks.live:
        return place
    row = places.frozen.row_of(user.user_id)
    place.score, place.rank = (row.score, row.rank) if row else (None, None)
    if user.user_id == asks.user_id:
        place.score, place.rank = score, None
    place.of = place.percentile = None
    return place


def percentile(rank: int, of: int) -> float:
    """Return how many of a hundred players stand at this place or behind it, rounded down to two decimals."""
    return (of - rank + 1) * 10_000 // of / 100


def _rows(found: Sequence[Listed]) -> list[Row]:
    return [
        Row(it.user_id, it.username, it.score, it.rank, UNSET if it.display_name is None else it.display_name)
        for it in found
    ]


def _frozen(frozen: Frozen | None) -> bool | msgspec.UnsetType:
    return UNSET if frozen is None else True
