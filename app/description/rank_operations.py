"""What anybody may ask about places on boards."""

from app.description.operation import Operation, Query
from app.routes import rank_shapes
from app.routes.ranks import DEFAULT_AROUND, DEFAULT_PAGE, LONGEST, RanksBody

PERIOD = Query({"type": "string"}, "One of the board's periods, such as `2026-W47`; the present one without it.")
LIVE = Query({"type": "boolean", "default": False}, "For admins: the board as it is, also while it is frozen.")
_WHERE = {"period": PERIOD, "live": LIVE}
_ERRORS = (400, 401, 403, 404, 429, 503)


def _limit(default: int) -> Query:
    return Query({"type": "integer", "minimum": 1, "maximum": LONGEST, "default": default}, "Items.")


RANK_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/boards/{board}/ranks/{user_id}", "GET"): Operation(
        "readRank",
        "Read a user's place on a board",
        "Board",
        "anyone or a token",
        {200: rank_shapes.Place},
        query=_WHERE,
        errors=_ERRORS,
        about="Exact at any depth. `percentile`: how many of a hundred of those on the board stand at this place or "
        "behind it, so that the first has 100. Both are null for who isn't on it. 503 while it is being counted.",
    ),
    ("/boards/{board}/ranks", "POST"): Operation(
        "readRanks",
        "Read many users' places on a board",
        "Board",
        "anyone or a token",
        {200: rank_shapes.RankedUsers},
        body=RanksBody,
        query=_WHERE,
        errors=_ERRORS,
        about="At most 100 users, such as one's friends. In the order of their places, those without one last; who "
        "doesn't exist is left out.",
        example={"userIds": ["01890a5d-ac96-774b-bcce-b302099a8057"]},
    ),
    ("/boards/{board}/around/{user_id}", "GET"): Operation(
        "readAround",
        "Read the neighbours of a user on a board",
        "Board",
        "anyone or a token",
        {200: rank_shapes.BoardPage},
        query={"limit": _limit(DEFAULT_AROUND), **_WHERE},
        errors=_ERRORS,
        about="Always `limit` rows while there are that many, the user in the middle but at the ends of the board. "
        "None when the user isn't on it.",
    ),
    ("/boards/{board}/standings", "GET"): Operation(
        "listStandings",
        "List all standings of a board",
        "Board",
        "anyone or a token",
        {200: rank_shapes.BoardPage},
        query={
            "limit": _limit(DEFAULT_PAGE),
            "cursor": Query({"type": "string"}, "`nextCursor` of the page before."),
            **_WHERE,
        },
        errors=(*_ERRORS, 422),
        about="Nobody is listed twice or left out because others have moved meanwhile. A page has the ranks of the "
        "moment at which it was read. A cursor of another board or period is a 422 `wrong-cursor`.",
    ),
}
