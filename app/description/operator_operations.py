"""What operators may call."""

from app.description.operation import PAGE, Operation, Query
from app.domain.actions import Action
from app.domain.trail import EVENT_KINDS
from app.routes import shapes
from app.routes.admin import Adjustment, MayHaveReason, WithReason
from app.routes.flags import FlagBody
from app.routes.keys import KeyBody

OPERATOR_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/admin/actions", "GET"): Operation(
        "findActions",
        "List actions by their settlement",
        "Operators",
        "admin",
        {200: shapes.ModeratedActions},
        query={
            "settlement": Query({"enum": ["held", "reversed", "cleared", "pending"], "default": "held"}, "Which ones."),
            **PAGE,
        },
        errors=(400,),
        about="Of cleared ones a page may be short, or empty, while others follow.",
    ),
    ("/admin/actions/{id}/release", "POST"): Operation(
        "releaseAction",
        "Release a held or reversed action",
        "Operators",
        "admin",
        {200: Action},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404, 409),
    ),
    ("/admin/actions/{id}/reverse", "POST"): Operation(
        "reverseAction",
        "Reverse a cleared or held action",
        "Operators",
        "admin",
        {200: Action},
        body=WithReason,
        errors=(404, 409),
    ),
    ("/admin/users", "GET"): Operation(
        "findUsers",
        "Find users",
        "Operators",
        "admin",
        {200: shapes.UserRecords},
        query={
            "query": Query(
                {"type": "string", "maxLength": 256, "default": ""},
                "What a name or an e-mail address begins with, or a user's id.",
            ),
            "limit": PAGE["limit"],
        },
        errors=(400,),
    ),
    ("/admin/users/{id}/suspend", "POST"): Operation(
        "suspendUser",
        "Suspend a user",
        "Operators",
        "admin",
        {200: shapes.UserRecord},
        body=WithReason,
        errors=(404, 409),
    ),
    ("/admin/users/{id}/reinstate", "POST"): Operation(
        "reinstateUser",
        "Reinstate a user",
        "Operators",
        "admin",
        {200: shapes.UserRecord},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404, 409),
    ),
    ("/admin/users/{id}/hide", "POST"): Operation(
        "hideUser",
        "Hide a user from the boards",
        "Operators",
        "admin",
        {200: shapes.UserRecord},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404, 409),
        about="The user plays on, but is on no board, and ranks close up.",
    ),
    ("/admin/users/{id}/show", "POST"): Operation(
        "showUser",
        "Show a hidden user again",
        "Operators",
        "admin",
        {200: shapes.UserRecord},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404, 409),
    ),
    ("/admin/users/{id}/erase", "POST"): Operation(
        "eraseUser",
        "Erase a person",
        "Operators",
        "admin",
        {200: shapes.UserRecord},
        body=WithReason,
        errors=(404, 409),
    ),
    ("/admin/users/{id}/adjust", "POST"): Operation(
        "adjustScore",
        "Give or take points",
        "Operators",
        "admin",
        {200: shapes.UserRecord},
        body=Adjustment,
        errors=(404, 409),
    ),
    ("/admin/events", "GET"): Operation(
        "listEvents",
        "Read the audit trail",
        "Operators",
        "admin",
        {200: shapes.AuditEvents},
        query={
            "user": Query({"type": "string", "maxLength": 64}, "Only what was done to this user: a name or an id."),
            "kind": Query({"enum": list(EVENT_KINDS)}, "Only events of this kind."),
            "limit": PAGE["limit"],
            "cursor": Query({"type": "string", "pattern": "^[0-9]{1,18}$"}, "`nextCursor` of the page before."),
        },
        errors=(400,),
        about="Newest first. Of an unknown user there are none.",
    ),
    ("/admin/keys", "POST"): Operation(
        "createKey",
        "Make a service key",
        "Operators",
        "admin",
        {201: shapes.NewKey},
        body=KeyBody,
        errors=(409,),
        about="The key is told this once. Only a person makes keys: no service key does, whatever its scopes.",
        example={"name": "game-server", "scopes": ["actions"]},
    ),
    ("/admin/keys", "GET"): Operation(
        "listKeys",
        "List the service keys",
        "Operators",
        "admin",
        {200: shapes.KeyRecords},
        query=PAGE,
        errors=(400,),
        about="Newest first, without those that are revoked.",
    ),
    ("/admin/keys/{id}", "DELETE"): Operation(
        "revokeKey",
        "Revoke a service key",
        "Operators",
        "admin",
        {204: None},
        errors=(404,),
        about="Every process refuses it within five seconds.",
    ),
    ("/admin/flags", "GET"): Operation("listFlags", "Read the flags", "Operators", "admin", {200: shapes.Flags}),
    ("/admin/flags/{name}", "PUT"): Operation(
        "setFlag", "Set a flag", "Operators", "admin", {200: shapes.FlagState}, body=FlagBody, errors=(404,)
    ),
    ("/admin/audit", "GET"): Operation(
        "checkInvariants", "Check the invariants", "Operators", "admin", {200: shapes.AuditReport}
    ),
    ("/admin/stats", "GET"): Operation("readStatistics", "Read counters", "Operators", "admin", {200: shapes.Stats}),
}
