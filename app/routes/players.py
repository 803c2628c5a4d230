"""The table of players, for operators: searched, by state, in some order, page by page."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import Malformed
from app.domain.ids import DEFAULT_BOARD, UserId, is_id
from app.http.answers import JSON
from app.routes.admin import LONGEST_PAGE, PAGE, query_of, user_record
from app.routes.desk_shapes import PlayerCounts, PlayerRow, PlayerRows, PlayerSort, PlayerStatus
from app.routes.operators import operator
from app.routes.paging import limit_of
from db import moderation, players, ranks
from db.ranks import BEFORE_ALL, Key

Where = list[Any]
"""Where a page ends: the list that it is of, then what its last row has."""
Found = tuple[list[UserId], Where | None]
"""The users of a page, and where it ends if there may be more."""

MOST_FOUND = 200
"""Users that a query finds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


async def list_all(request: Request) -> Response:
    """GET /admin/players"""
    web, _ = await operator(request)
    query, limit = query_of(request), limit_of(request, default=PAGE, longest=LONGEST_PAGE)
    status, sort = _one_of(request, "status", get_args(PlayerStatus)), _one_of(request, "sort", get_args(PlayerSort))
    kind = "query" if query else status or sort or "points"
    where = _where(request, kind)

    def read(conn: sa.Connection) -> PlayerRows:
        ids, after = _search(conn, query, status, where, limit) if query else _page(conn, kind, where, limit)
        places = ranks.of(conn, [(DEFAULT_BOARD, ids)]) if ids else {}
        counts = PlayerCounts(*players.counts(conn)) if where is None else None
        items = [_row(row, places) for row in players.rows(conn, ids)]
        return PlayerRows(items, None if after is None else _cursor(after), counts)

    return JSON(await web.transaction(read))


def _search(conn: sa.Connection, query: str, status: str | None, where: Where | None, limit: int) -> Found:
    """Find by name, address or id, in the order of names. What is found is little: each page finds it again."""
    ids = [row.id for row in moderation.find_users(conn, query, limit=MOST_FOUND)]
    if status is not None:
        ids = [row.id for row in players.rows(conn, ids) if _is(row, status)]
    first = where[1] if where else 0
    return ids[first : first + limit], ["query", first + limit] if len(ids) > first + limit else None


def _is(row: sa.Row[Any], status: str) -> bool:
    if status == "never":
        return bool(row.never and row.role == "player" and row.status != "erased")
    return bool({"held": row.held, "suspended": row.status == "suspended", "hidden": row.hidden}[status])


def _page(conn: sa.Connection, kind: str, where: Where | None, limit: int) -> Found:
    last = where[1:] if where else []
    if kind == "name":
        named = players.by_name(conn, after=last[0] if last else "", limit=limit + 1)
        return [it.id for it in named[:limit]], [kind, named[limit - 1].username_key] if len(named) > limit else None
    if kind == "points":
        return _by_points(conn, last, limit)
    ids = players.by_id(conn, kind, before=last[0] if last else None, limit=limit + 1)
    return ids[:limit], [kind, ids[limit - 1]] if len(ids) > limit else None


def _by_points(conn: sa.Connection, last: Where, limit: int) -> Found:
    """Read those on the default board in its order, then all others, the newest first."""
    keys: list[Key] = []
    if len(last) != 1:
        after = Key(last[0], _EPOCH + last[1] * _MICROSECOND, UserId(last[2])) if last else BEFORE_ALL
        keys = players.by_points(conn, DEFAULT_BOARD, after, limit=limit + 1)
        if len(keys) > limit:
            end = keys[limit - 1]
            ids = [it.user_id for it in keys[:limit]]
            return ids, ["points", end.place, (end.reached_at - _EPOCH) // _MICROSECOND, end.user_id]
    placed, room = [it.user_id for it in keys], limit - len(keys)
    before = last[0] if len(last) == 1 and last[0] else None
    others = players.without_place(conn, DEFAULT_BOARD, before=before, limit=room + 1)
    shown = others[:room]
    return placed + shown, ["points", shown[-1] if shown else ""] if len(others) > room else None


def _row(row: sa.Row[Any], places: dict[Any, ranks.Ranked]) -> PlayerRow:
    record = user_record(row)
    place = places.get((DEFAULT_BOARD, UserId(row.id)))
    return PlayerRow(
        **{name: getattr(record, name) for name in record.__struct_fields__},
        rank=place.rank if place else None,
        held=row.held,
        last_seen_at=row.last_seen_at,
    )


def _one_of(request: Request, name: str, allowed: tuple[str, ...]) -> str | None:
    given = request.query_params.get(name)
    if given is not None and given not in allowed:
        raise Malformed(f"{name}: must be one of {', '.join(allowed)}.")
    return given


def _cursor(where: Where) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(where)).rstrip(b"=").decode()


_FORMS = {"query": (int,), "name": (str,), "points": (int, int, str)}


def _where(request: Request, kind: str) -> Where | None:
    """Return where the page before ends, None for the first page.

    Raises:
        Malformed: when the cursor is none of this list.
    """
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        where = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), type=list)
        if _is_where(where, kind):
            return where
    except (ValueError, binascii.Error):
        pass
    raise Malformed("cursor: must be the nextCursor of a page of the same list.")


def _is_where(where: Where, kind: str) -> bool:
    form = (str,) if kind == "points" and len(where) == 2 else _FORMS.get(kind, (str,))
    if not where or where[0] != kind or tuple(map(type, where[1:])) != form:
        return False
    last = where[-1]
    numbers = [it for it in where if isinstance(it, int)]
    if any(abs(it) >= 2**53 for it in numbers) or (kind == "query" and last < 0):
        return False
    if kind in ("query", "name"):
        return kind == "query" or "\0" not in last
    return is_id(last) or (form == (str,) and kind == "points" and last == "")
