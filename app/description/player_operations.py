"""What players and their programs may call."""

from app.description.operation import LIVE, PAGE, Operation, Query
from app.domain.actions import STATUSES, Action
from app.domain.ids import DEFAULT_BOARD
from app.domain.messages import Row
from app.routes import shapes
from app.routes.account import EraseBody, PasswordBody
from app.routes.actions import EndBody
from app.routes.auth import LoginBody, RegisterBody
from app.routes.external import ExternalBody
from app.routes.issuers import SignIns
from app.routes.names import NamesBody
from app.routes.posts import PostBody
from app.routes.resets import ResetBody

PLAYER_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/top-scores", "GET"): Operation(
        "topScores",
        "Read the board",
        "Board",
        "anyone or a token",
        {200: list[Row], 304: None},
        query={
            "board": Query({"type": "string", "default": DEFAULT_BOARD}, "The board's id."),
            "period": Query({"type": "string"}, "A day, week or month of it; without, the present one."),
            "asOf": Query({"type": "string", "format": "date-time"}, "The board as it stood at this moment."),
            "corrected": Query({"type": "boolean", "default": False}, "With `asOf`: by what is known of it now."),
            **LIVE,
        },
        errors=(400, 401, 403, 404, 409, 422, 429, 503),
        about="The first places: ten, or as many as the board shows. `ETag` is `<epoch>-<version>`, but with `asOf`; "
        "`If-None-Match` saves the body. `Last-Modified` is the time at which that version was committed. While the "
        "board is frozen `Board-Frozen` says since when, and `Board-Revealed` how many places are revealed, such as "
        "`3/10`. `Broadcasting: false` says that an operator has paused the boards: a screen keeps what it shows.",
    ),
    ("/users/{user_id}/actions", "POST"): Operation(
        "startAction",
        "Start an action, or report a completed one",
        "Actions",
        "player",
        {201: shapes.EndedAction, 200: shapes.EndedAction},
        body=PostBody,
        headers={
            "Idempotency-Key": Query(
                {"type": "string", "pattern": "^[ -~]{1,128}$"},
                "Marks a request that may be sent again: it is done once, and answered with the same action for ever.",
            )
        },
        errors=(403, 404, 409, 410, 422),
        about="`started`: the score is computed by the server when the action is completed. `completed`, with `value` "
        "where the type has one and `endAt` if it was not just now, is for service keys alone: one call, one scored "
        "action. `Location` names the action. 200: it is that of an earlier request with this `Idempotency-Key`, and "
        "`Idempotency-Replayed` is `true`; another body is a 422. 410 `archived`: that action was archived "
        "since.",
        example={"status": "started", "metadata": {"level": 3}},
    ),
    ("/users/{user_id}/actions", "GET"): Operation(
        "listActions",
        "List your actions",
        "Actions",
        "player",
        {200: shapes.OwnActions},
        query={
            "status": Query({"enum": list(STATUSES)}, "Only those in this state."),
            "limit": Query({"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Items on a page."),
            "cursor": PAGE["cursor"],
        },
        errors=(400, 403, 404),
        about="Newest first.",
    ),
    ("/users/{user_id}/actions/{action_id}", "GET"): Operation(
        "readAction", "Read an action", "Actions", "player", {200: Action}, errors=(403, 404)
    ),
    ("/users/{user_id}/actions/{action_id}", "PUT"): Operation(
        "endAction",
        "Complete or cancel an action",
        "Actions",
        "player",
        {200: shapes.EndedAction},
        body=EndBody,
        errors=(403, 404, 409),
        about="A 409 carries the action as it is recorded: a client that lost the first answer learns its score. "
        'The older body `{"started": "completed"}` is still taken.',
        example={"status": "completed"},
    ),
    ("/users/{user_id}", "GET"): Operation(
        "readAccount", "Read your account", "Players", "player", {200: shapes.OwnUser}, errors=(403, 404)
    ),
    ("/users/external/{external_id}", "PUT"): Operation(
        "putExternalUser",
        "Find or make a user by your own id",
        "Service keys",
        "player",
        {200: shapes.ExternalUser, 201: shapes.ExternalUser},
        body=ExternalBody,
        or_nothing=True,
        errors=(403, 404, 409),
        about="With a service key that has the scope `users`. Made on first sight, found afterwards, under the names "
        "that are given. Without a username a new user gets one that resembles the id, up to its first `@`.",
        example={"displayName": "Ada"},
    ),
    ("/users/external/{external_id}", "GET"): Operation(
        "findExternalUser",
        "Find a user by your own id",
        "Service keys",
        "player",
        {200: shapes.ExternalUser},
        errors=(400, 403, 404),
        about="With a service key that has the scope `users`.",
    ),
    ("/users/{user_id}/password", "POST"): Operation(
        "changePassword",
        "Change the password",
        "Players",
        "player",
        {200: shapes.AccessToken},
        body=PasswordBody,
        errors=(403,),
        about="Every token until then is void; the answer holds a new one.",
        example={"currentPassword": "the one until now", "newPassword": "a long new one"},
    ),
    ("/users/{user_id}", "PATCH"): Operation(
        "changeDisplayName",
        "Change your display name",
        "Players",
        "player",
        {200: shapes.OwnUser},
        body=NamesBody,
        errors=(403,),
        about="Boards show it beside the username, at once. Any script, at most 32 characters as people count them "
        "(RFC 8266, Nickname); null takes it away. A name that is blocked here is a 400 `blocked-name`.",
        example={"displayName": "Ada"},
    ),
    ("/users/{user_id}", "DELETE"): Operation(
        "eraseAccount",
        "Erase your account",
        "Players",
        "player",
        {204: None},
        body=EraseBody,
        errors=(403, 409),
        about="The person is erased for good; the actions stay without a name, off the boards. The last admin can't.",
        example={"password": "the one of this account"},
    ),
    ("/action-types", "GET"): Operation(
        "listActionTypes", "Read the scoring rules", "Actions", "anyone", {200: shapes.ActionTypes}
    ),
    ("/auth/register", "POST"): Operation(
        "register",
        "Make an account",
        "Players",
        "anyone",
        {201: shapes.Registered},
        body=RegisterBody,
        errors=(403, 409, 429),
        about="Username: 3 to 32 of `A-Z a-z 0-9 _ . -`, a letter or digit first. Password: 8 to 128 characters. "
        "`joinCode` is needed where GET /about says `code`.",
        example={"username": "ada", "password": "a long password"},
    ),
    ("/auth/login", "POST"): Operation(
        "login",
        "Log in",
        "Players",
        "anyone",
        {200: shapes.AccessToken},
        body=LoginBody,
        errors=(401, 403, 429),
        example={"username": "ada", "password": "a long password"},
    ),
    ("/auth/reset", "POST"): Operation(
        "resetPassword",
        "Set a new password by a link",
        "Players",
        "anyone",
        {200: shapes.AccessToken},
        body=ResetBody,
        errors=(403, 429),
        about="The token is the part behind `#reset=` of a link that an operator has made; it is good once, for "
        "24 hours. Every older token of the user ends; the answer holds a new one.",
        example={"token": "from the link", "password": "a long new one"},
    ),
    ("/auth/refresh", "POST"): Operation(
        "refreshToken",
        "Renew a token",
        "Players",
        "player",
        {200: shapes.AccessToken},
        errors=(403,),
        about="Until 30 days after the login.",
    ),
    ("/auth/logout", "POST"): Operation(
        "logout",
        "Log out",
        "Players",
        "player",
        {204: None},
        about="Every token of this player is refused from then on.",
    ),
    ("/auth/issuers", "GET"): Operation(
        "listSignIns",
        "List the other issuers at which users can sign in",
        "Players",
        "anyone",
        {200: SignIns},
        about="For a page that signs in by authorization code with PKCE, as the service's own does.",
    ),
    ("/.well-known/jwks.json", "GET"): Operation(
        "listSigningKeys",
        "Read the keys that board messages can be verified with",
        "Board",
        "anyone",
        {200: dict[str, list[dict[str, str]]]},
        media_type="application/jwk-set+json",
    ),
}
