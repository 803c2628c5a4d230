"""Freezing, thawing and revealing boards."""

from app.description.operation import Operation
from app.routes import operator_shapes as shapes
from app.routes.freezes import FreezeBody, RevealBody, ThawBody

FREEZE_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/admin/boards", "GET"): Operation(
        "listFreezes",
        "List the boards, and what is frozen",
        "Operators",
        "admin",
        {200: shapes.BoardFreezes},
        about="The present period of each board, and others that are frozen, or will be.",
    ),
    ("/admin/boards/{board}/freeze", "POST"): Operation(
        "freezeBoard",
        "Freeze a board",
        "Operators",
        "admin",
        {200: shapes.BoardFreeze},
        body=FreezeBody,
        errors=(404, 409),
        about="At once, or from `at` on: the public sees the board as it was then, everywhere, until it is thawed or "
        "revealed. Points count on.",
        example={"reason": "the last hour"},
    ),
    ("/admin/boards/{board}/thaw", "POST"): Operation(
        "thawBoard",
        "Thaw a board",
        "Operators",
        "admin",
        {200: shapes.BoardFreeze},
        body=ThawBody,
        errors=(404, 409),
        about="The board is shown as it is again. A freeze that is only planned is called off.",
        example={"reason": "the contest is over"},
    ),
    ("/admin/boards/{board}/reveal", "POST"): Operation(
        "revealPlaces",
        "Reveal the next places of a frozen board",
        "Operators",
        "admin",
        {200: shapes.BoardFreeze},
        body=RevealBody,
        errors=(404, 409),
        about="From the last place up, one unless `places` says more. The public then sees these places alone. With "
        "the first place the board is thawed.",
        example={"reason": "the ceremony"},
    ),
}
