"""What the operators' page is made of: trusted networks, players, what waits for a decision, the last hour."""

from app.description.operation import PAGE, Operation, Query
from app.domain.actions import Action
from app.routes import desk_shapes, network_shapes
from app.routes.activity import LONGEST, MINUTES
from app.routes.admin import MayHaveReason
from app.routes.decisions import DecisionBody
from app.routes.networks import NetworkBody

DESK_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/admin/held-players", "GET"): Operation(
        "listHeldPlayers",
        "List what waits for a decision, by player",
        "Operators",
        "admin",
        {200: desk_shapes.HeldPlayers},
        query=PAGE,
        errors=(400,),
        about="The newest player first, with the newest held actions, and what the rule saw that held them beside its "
        "limit and what is usual.",
    ),
    ("/admin/actions/decisions", "POST"): Operation(
        "decideActions",
        "Decide several actions at once",
        "Operators",
        "admin",
        {200: desk_shapes.Decided},
        body=DecisionBody,
        errors=(400,),
        about="Each in a transaction of its own. Those that are not in a state for it are skipped, so that the request "
        "can be repeated. To reverse, a reason is needed.",
        example={
            "decision": "release",
            "actionIds": ["0193bdc1-8f6a-7c9d-8d5e-3f1c2b4a5d6e"],
            "reason": "looked at them: fine",
        },
    ),
    ("/admin/actions/{id}/hold", "POST"): Operation(
        "holdAction",
        "Hold a cleared or reversed action",
        "Operators",
        "admin",
        {200: Action},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404, 409),
        about="It counts no longer, and waits for a decision: what undoes one that came too early.",
        example={"reason": "decided too early"},
    ),
    ("/admin/activity", "GET"): Operation(
        "readActivity",
        "Read what was played lately, minute by minute",
        "Operators",
        "admin",
        {200: desk_shapes.Activity},
        query={
            "minutes": Query(
                {"type": "integer", "minimum": 1, "maximum": LONGEST, "default": MINUTES}, "How many, up to now."
            )
        },
        errors=(400,),
        about="What counts by now, the present minute last. Of a minute with more than 2,000 completions the numbers "
        "are lower bounds, and `more` is true.",
    ),
    ("/admin/players", "GET"): Operation(
        "listPlayers",
        "Read the table of players",
        "Operators",
        "admin",
        {200: desk_shapes.PlayerRows},
        query={
            "query": Query(
                {"type": "string", "maxLength": 256, "default": ""},
                "What a username, a display name or an e-mail address begins with, or a user's id.",
            ),
            "status": Query(
                {"enum": ["held", "suspended", "hidden", "never"]}, "Only these; `never` have done nothing yet."
            ),
            "sort": Query(
                {"enum": ["points", "name", "newest"], "default": "points"}, "The order, without query and status."
            ),
            "limit": PAGE["limit"],
            "cursor": Query({"type": "string", "pattern": "^[0-9A-Za-z_-]+$"}, "`nextCursor` of the page before."),
        },
        errors=(400,),
        about="With a query in the order of names, 200 users at most; of one status the newest first. Counts come with "
        "the first page, and end at 1,000.",
    ),
    ("/admin/networks", "GET"): Operation(
        "listNetworks",
        "List the networks that are trusted at run time",
        "Operators",
        "admin",
        {200: network_shapes.NetworkRecords},
        about="Newest first, without those that have expired; beside them those of the settings, and where the request "
        "comes from.",
    ),
    ("/admin/networks", "POST"): Operation(
        "trustNetwork",
        "Trust a network: this is a classroom",
        "Operators",
        "admin",
        {200: network_shapes.NetworkRecord, 201: network_shapes.NetworkRecord},
        body=NetworkBody,
        errors=(409,),
        about="Its addresses have no limits by address, and are not counted by `[shared_ip]`, everywhere within five "
        "seconds. An address of IPv6 stands for its /64. The same network again gets the new reason and end, and is a "
        "200.",
        example={"cidr": "203.0.113.7", "reason": "room 214", "expiresIn": 7200},
    ),
    ("/admin/networks/{id}", "DELETE"): Operation(
        "removeNetwork",
        "Trust a network no longer",
        "Operators",
        "admin",
        {204: None},
        body=MayHaveReason,
        or_nothing=True,
        errors=(404,),
        example={"reason": "the lesson is over"},
    ),
}
