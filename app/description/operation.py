"""The form in which an operation is described."""

from dataclasses import dataclass, field
from typing import Any, Literal

JSON = "application/json"


@dataclass(frozen=True)
class Query:
    """A parameter of the query, or a header: its JSON schema, and what it is for."""

    schema: dict[str, Any]
    about: str
    required: bool = False


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Args:
        name: what a generated client calls it.
        who: "anyone", "anyone or a token", "player" or "admin".
        body: the type that the body is read as; None when there is none.
        or_nothing: whether the body may be left out.
        answers: the type of the answer by status; None for an answer without a body, a str for a media type.
        headers: those of the request that mean something special.
        errors: statuses of the problems that are special to it; those that many have are added.
        example: a body that is valid, for whoever tries it.
    """

    name: str
    summary: str
    group: str
    who: Literal["anyone", "anyone or a token", "player", "admin"]
    answers: dict[int, Any]
    body: Any = None
    or_nothing: bool = False
    query: dict[str, Query] = field(default_factory=dict)
    headers: dict[str, Query] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    media_type: str = JSON
    about: str = ""
    example: dict[str, Any] | None = None


PAGE = {
    "limit": Query({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "Items on a page."),
    "cursor": Query({"type": "string", "format": "uuid"}, "`nextCursor` of the page before."),
}

LIVE = {
    "live": Query(
        {"type": "boolean", "default": False},
        "Of a frozen board what is so by now: for operators, and service keys with the scope `admin`.",
    )
}
