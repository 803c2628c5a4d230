"""Lists in pages: how many, and those after which."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from app.domain.actions import Action
from app.domain.errors import Malformed
from app.domain.ids import ActionId, is_id


def limit_of(request: Request, *, default: int, longest: int) -> int:
    """Return how many items a page is to have.

    Raises:
        Malformed: when it is no number from 1 to `longest`.
    """
    text = request.query_params.get("limit", str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= longest):
        raise Malformed(f"limit: must be a whole number from 1 to {longest}.")
    return int(text)


def cursor_of(request: Request) -> ActionId | None:
    """Return the last action of the page before, None for the first page.

    Raises:
        Malformed: when the cursor can't be one that was answered.
    """
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return None
    if not is_id(cursor):
        raise Malformed("cursor: is none of ours.")
    return ActionId(cursor)


def page(items: Sequence[Action], more: bool) -> dict[str, Any]:
    """Return a page of actions as it is answered; `more` says whether others follow."""
    return {"items": items, "nextCursor": items[-1].action_id if more else None}
