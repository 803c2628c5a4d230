"""Every REST operation in words: what it is for, who may call it, what it takes and what it answers."""

from dataclasses import dataclass, field
from typing import Any, Literal

from app.domain.actions import STATUSES, Action, CompletedAction
from app.domain.ids import DEFAULT_BOARD
from app.domain.messages import Row
from app.routes import shapes
from app.routes.account import EraseBody, PasswordBody
from app.routes.actions import EndBody, StartBody
from app.routes.admin import Adjustment, MayHaveReason, WithReason
from app.routes.auth import LoginBody, RegisterBody
from app.routes.flags import FlagBody

JSON, TEXT, HTML, SCRIPT, PROMETHEUS = (
    "application/json",
    "text/plain",
    "text/html",
    "text/javascript",
    "text/plain; version=0.0.4",
)


@dataclass(frozen=True)
class Query:
    """A parameter of the query: its JSON schema, and what it is for."""

    schema: dict[str, Any]
    about: str


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Args:
        who: "anyone", "anyone or a token", "player" or "admin".
        body: the type that the body is read as; None when there is none.
        or_nothing: whether the body may be left out.
        answers: the type of the answer by status, or several types; None for an answer without a body, a str for a
            media type.
        errors: statuses of the problems that are special to it; those that many have are added.
    """

    summary: str
    group: str
    who: Literal["anyone", "anyone or a token", "player", "admin"]
    answers: dict[int, Any]
    body: Any = None
    or_nothing: bool = False
    query: dict[str, Query] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    media_type: str = JSON
    about: str = ""


_PAGE = {
    "limit": Query({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "Items on a page."),
    "cursor": Query({"type": "string", "format": "uuid"}, "`nextCursor` of the page before."),
}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/top-scores", "GET"): Operation(
        "Read the board",
        "Board",
        "anyone or a token",
        {200: list[Row], 304: None},
        query={"board": Query({"type": "string", "default": DEFAULT_BOARD}, "The board's name.")},
        errors=(401, 404, 429, 503),
        about="At most ten rows, highest first. `ETag` is `<epoch>-<version>`; `If-None-Match` saves the body. "
        "`Last-Modified` is the time at which that version was committed.",
    ),
    ("/users/{user_id}/actions", "POST"): Operation(
        "Start an action",
        "Actions",
        "player",
        {201: Action},
        body=StartBody,
        errors=(403,),
        about="The score is computed by the server when the action is completed. `Location` names the action.",
    ),
    ("/users/{user_id}/actions", "GET"): Operation(
        "List your actions",
        "Actions",
        "player",
        {200: shapes.OwnActions},
        query={
            "status": Query({"enum": list(STATUSES)}, "Only those in this state."),
            "limit": Query({"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Items on a page."),
            "cursor": _PAGE["cursor"],
        },
        errors=(400, 403),
        about="Newest first.",
    ),
    ("/users/{user_id}/actions/{action_id}", "GET"): Operation(
        "Read an action", "Actions", "player", {200: Action}, errors=(403, 404)
    ),
    ("/users/{user_id}/actions/{action_id}", "PUT"): Operation(
        "Complete or cancel an action",
        "Actions",
        "player",
        {200: (CompletedAction, Action)},
        body=EndBody,
        errors=(403, 404, 409),
        about="A 409 carries the action as it is recorded: a client that lost the first answer learns its score.",
    ),
    ("/users/{user_id}", "GET"): Operation(
        "Read your account", "Players", "player", {200: shapes.OwnUser}, errors=(403,)
    ),
    ("/users/{user_id}/password", "POST"): Operation(
        "Change the password",
        "Players",
        "player",
        {200: shapes.AccessToken},
        body=PasswordBody,
        errors=(403,),
        about="Every token until then is void; the answer holds a new one.",
    ),
    ("/users/{user_id}", "DELETE"): Operation(
        "Erase your account",
        "Players",
        "player",
        {204: None},
        body=EraseBody,
        errors=(403, 409),
        about="The person is erased for good; the actions stay without a name, off the boards. The last admin can't.",
    ),
    ("/action-types", "GET"): Operation("Read the scoring rules", "Actions", "anyone", {200: shapes.ActionTypes}),
    ("/auth/register", "POST"): Operation(
        "Make an account",
        "Players",
        "anyone",
        {201: shapes.Registered},
        body=RegisterBody,
        errors=(403, 409, 429),
        about="Username: 3 to 32 of `A-Z a-z 0-9 _ . -`, a letter or digit first. Password: 8 to 128 characters.",
    ),
    ("/auth/login", "POST"): Operation(
        "Log in", "Players", "anyone", {200: shapes.AccessToken}, body=LoginBody, errors=(401, 403, 429)
    ),
    ("/auth/refresh", "POST"): Operation(
        "Renew a token",
        "Players",
        "player",
        {200: shapes.AccessToken},
        errors=(403,),
        about="Until 30 days after the login.",
    ),
    ("/auth/logout", "POST"): Operation(
        "Log out", "Players", "player", {204: None}, about="Every token of this player is refused from then on."
    ),
    ("/.well-known/jwks.json", "GET"): Operation(
        "Read the keys that board messages can be verified with",
        "Board",
        "anyone",
        {200: dict[str, list[dict[str, str]]]},
        media_type="application/jwk-set+json",
    ),
    ("/admin/actions", "GET"): Operation(
        "List actions by their settlement",
        "Operators",
        "admin",
        {200: shapes.ModeratedActions},
        query={
            "settlement": Query({"enum": ["held", "reversed", "cleared", "pending"], "default": "held"}, "Which ones."),
            **_PAGE,
        },
        errors=(400,),
        about="Of cleared ones a page may be short, or empty, while others follow.",
    ),
    ("/admin/actions/{id}/release", "POST"): Operation(
        "Release a held or reversed action",
        "Operators",
        "admin",
        {200: Action},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404, 409),
    ),
    ("/admin/actions/{id}/reverse", "POST"): Operation(
        "Reverse a cleared or held action", "Operators", "admin", {200: Action}, body=WithReason, errors=(404, 409)
    ),
    ("/admin/users", "GET"): Operation(
        "Find users",
        "Operators",
        "admin",
        {200: shapes.UserRecords},
        query={
            "query": Query(
                {"type": "string", "maxLength": 256, "default": ""},
                "What a name or an e-mail address begins with, or a user's id.",
            ),
            "limit": _PAGE["limit"],
        },
        errors=(400,),
    ),
    ("/admin/users/{id}/suspend", "POST"): Operation(
        "Suspend a user", "Operators", "admin", {200: shapes.UserRecord}, body=WithReason, errors=(404, 409)
    ),
    ("/admin/users/{id}/reinstate", "POST"): Operation(
        "Reinstate a user",
        "Operators",
        "admin",
        {200: shapes.UserRecord},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404, 409),
    ),
    ("/admin/users/{id}/hide", "POST"): Operation(
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
        "Show a hidden user again",
        "Operators",
        "admin",
        {200: shapes.UserRecord},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404, 409),
    ),
    ("/admin/users/{id}/erase", "POST"): Operation(
        "Erase a person", "Operators", "admin", {200: shapes.UserRecord}, body=WithReason, errors=(404, 409)
    ),
    ("/admin/users/{id}/adjust", "POST"): Operation(
        "Give or take points", "Operators", "admin", {200: shapes.UserRecord}, body=Adjustment, errors=(404, 409)
    ),
    ("/admin/flags", "GET"): Operation("Read the flags", "Operators", "admin", {200: shapes.Flags}),
    ("/admin/flags/{name}", "PUT"): Operation(
        "Set a flag", "Operators", "admin", {200: shapes.FlagState}, body=FlagBody, errors=(404,)
    ),
    ("/admin/audit", "GET"): Operation("Check the invariants", "Operators", "admin", {200: shapes.AuditReport}),
    ("/admin/stats", "GET"): Operation("Read counters", "Operators", "admin", {200: shapes.Stats}),
    ("/healthz", "GET"): Operation("The process lives", "Operation", "anyone", {200: shapes.Health}),
    ("/readyz", "GET"): Operation(
        "The process should be sent requests",
        "Operation",
        "anyone",
        {200: shapes.Readiness, 503: shapes.Readiness},
        about="503 when the database is away or the process is stopping.",
    ),
    ("/metrics", "GET"): Operation(
        "Metrics for Prometheus",
        "Operation",
        "anyone",
        {200: PROMETHEUS},
        errors=(401, 403),
        about="With `METRICS_TOKEN` set only for who sends it as `Authorization: Bearer`.",
    ),
    ("/openapi.json", "GET"): Operation("This description", "Operation", "anyone", {200: dict[str, Any]}),
    ("/asyncapi.json", "GET"): Operation("The WebSocket's description", "Operation", "anyone", {200: dict[str, Any]}),
    ("/docs", "GET"): Operation("A page to read this description", "Pages", "anyone", {200: HTML}),
    ("/", "GET"): Operation("The live page", "Pages", "anyone", {200: HTML}),
    ("/operator", "GET"): Operation("The operators' page", "Pages", "anyone", {200: HTML}),
    ("/scoreboard.js", "GET"): Operation("The client as an ES module", "Pages", "anyone", {200: SCRIPT}),
    ("/scoreboard.d.ts", "GET"): Operation("The client's types", "Pages", "anyone", {200: TEXT}),
}
