"""Paging: the limit and the cursor of a list of actions."""

from starlette.requests import Request

from app.domain.errors import Malformed
from app.domain.ids import ActionId, is_id


def limit_of(request: Request, *, name: str = "limit", default: int, shortest: int = 1, longest: int) -> int:
    """Return how many items the page may have.

    Raises:
        Malformed: when it is not a whole number from `shortest` to `longest`.
    """
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and shortest <= int(text) <= longest):
        raise Malformed(f"{name}: must be a whole number from {shortest} to {longest}.")
    return int(text)


def flag_of(request: Request, name: str) -> bool:
    """Return whether a parameter of the query is true; without it it isn't.

    Raises:
        Malformed: when it is neither true nor false.
    """
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise Malformed(f"{name}: must be true or false.")
    return text == "true"


def number_cursor_of(request: Request) -> int | None:
    """Return the number of the last item of the previous page, None for the first page.

    Raises:
        Malformed: when the cursor is not such a number.
    """
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise Malformed("cursor: must be the nextCursor of a page.")
    return int(cursor)


def cursor_of(request: Request) -> ActionId | None:
    """Return the last action of the previous page, None for the first page.

    Raises:
        Malformed: when the cursor is not an id.
    """
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return None
    if not is_id(cursor):
        raise Malformed("cursor: must be the nextCursor of a page.")
    return ActionId(cursor)
