"""What the operators' page is made of: trusted networks, players, what waits for a decision, the last hour."""

from app.description.operation import Operation
from app.routes import network_shapes
from app.routes.admin import MayHaveReason
from app.routes.networks import NetworkBody

DESK_OPERATIONS: dict[tuple[str, str], Operation] = {
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
