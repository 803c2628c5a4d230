"""What anybody may ask about boards."""

from app.description.operation import LIVE, Operation, Query
from app.domain.ids import DEFAULT_BOARD
from app.routes import board_shapes, history_shapes
from app.routes.find import LONGEST, FoundPlayers

LIMIT = Query({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "Items on a page.")
PERIOD = Query({"type": "string"}, "One of the board's periods, such as `2026-W47`; the present one without it.")

BOARD_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/top-scores/stream", "GET"): Operation(
        "streamTopScores",
        "Follow a board by Server-Sent Events",
        "Board",
        "anyone or a token",
        {200: "text/event-stream"},
        query={
            "board": Query({"type": "string", "default": DEFAULT_BOARD}, "The board's id."),
            "token": Query({"type": "string"}, "A token, where no header can be set."),
        },
        headers={
            "Last-Event-ID": Query({"type": "string"}, "The id of the last event: nothing is sent that is not newer.")
        },
        errors=(401, 403, 404, 429, 503),
        about="The very messages of the WebSocket, each as the data of an event; the answer goes on until either side "
        "ends it. The id of a board's event is `<epoch>-<version>`. Heartbeats, which have no id, come after the first "
        "board, whenever `broadcasting` or `frozen` changes, and every 25 seconds. The event `end` says with the close "
        "code of a socket why the service ends it. The messages are described in `/asyncapi.json`.",
    ),
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
        about="Newest first, the present one among them. Once it is `final`, an hour after its end "
        "if all is settled by then, nothing but a correction changes a period.",
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
    ("/boards/{board}/history", "GET"): Operation(
        "readHistory",
        "Read players' scores over time",
        "Board",
        "anyone or a token",
        {200: history_shapes.BoardHistory, 304: None},
        query={
            "users": Query(
                {"type": "string"}, "Ids of at most 10 players, separated by commas; the first 10 without it."
            ),
            "from": Query({"type": "string", "format": "date-time"}, "The first moment; see below."),
            "to": Query({"type": "string", "format": "date-time"}, "The last moment; now, or the period's end."),
            "points": Query({"type": "integer", "minimum": 2, "maximum": 500, "default": 100}, "How many moments."),
            "period": PERIOD,
            **LIVE,
        },
        errors=(400, 401, 403, 404, 422, 429, 503),
        about="`points` moments at equal distances, the same for all, each with the score as it counts now of what "
        "ended by then. Without `from` it begins with the period, or a day before `to` where a board has no beginning.",
    ),
    ("/boards/{board}/feed", "GET"): Operation(
        "readFeed",
        "Read what was completed lately",
        "Board",
        "anyone or a token",
        {200: history_shapes.Feed, 304: None},
        query={
            "limit": Query({"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Items on a page."),
            "cursor": Query({"type": "string"}, "`nextCursor` of the page before."),
            "period": PERIOD,
            **LIVE,
        },
        errors=(400, 401, 403, 404, 429, 503),
        about="What counts on the board now, by when it ended, newest first. A page may have fewer items than `limit`, "
        "or none, while others follow: `nextCursor` tells.",
    ),
}
