"""What anybody may ask about boards."""

from app.description.operation import Operation, Query
from app.routes import board_shapes
from app.routes.find import LONGEST, FoundPlayers

LIMIT = Query({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "Items on a page.")
PERIOD = Query({"type": "string"}, "One of the board's periods, such as `2026-W47`; the present one without it.")

BOARD_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/boards", "GET"): Operation(
        "listBoards",
        "List the boards, their rules and their present periods",
        "Board",
        "anyone or a token",
        {200: board_shapes.Boards},
        errors=(401, 429, 503),
        about="`endsAt` is when the present period ends, and the next one begins.",
    ),
    ("/boards/{board}/periods", "GET"): Operation(
        "listPeriods",
        "List a board's periods",
        "Board",
        "anyone or a token",
        {200: board_shapes.BoardPeriods},
        query={"limit": LIMIT, "cursor": Query({"type": "string"}, "`nextCursor` of the page before.")},
        errors=(400, 401, 404, 429, 503),
        about="Newest first, the present one among them. Once it is `final`, an hour after its end, nothing but a "
        "correction changes a period.",
    ),
    ("/boards/{board}/players", "GET"): Operation(
        "findPlayers",
        "Find players on a board by how their names begin",
        "Board",
        "anyone or a token",
        {200: FoundPlayers},
        query={
            "name": Query(
                {"type": "string", "minLength": 1, "maxLength": LONGEST},
                "What a username or a display name begins with, whatever its case.",
                required=True,
            ),
            "period": PERIOD,
        },
        errors=(400, 401, 404, 429, 503),
        about="At most 10, the best first, with their places on the whole board. While the board is frozen only those "
        "are found whose rows it shows.",
    ),
}
