"""Networks that operators trust at run time: a classroom, a hall, an office behind one address."""

from dataclasses import asdict
from typing import Annotated

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.access import issued_networks
from app.access.issued_networks import LONGEST_TRUST
from app.domain.errors import Malformed, NotFound
from app.domain.ids import NetworkId, is_id
from app.domain.networks import LONGEST, parse
from app.http.answers import JSON, read_json
from app.routes.admin import MayHaveReason
from app.routes.network_shapes import NetworkRecord, NetworkRecords, YourNetwork
from app.routes.operators import Reason, change, operator
from app.web import Web
from db import networks
from db.networks import TrustedNetwork


class NetworkBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A network to trust, why, and for how many seconds: until it is removed when left out."""

    cidr: Annotated[str, msgspec.Meta(min_length=2, max_length=LONGEST)]
    reason: Reason
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_TRUST)] | None = None


async def create(request: Request) -> Response:
    """POST /admin/networks"""
    web, who = await operator(request)
    body = await read_json(request, NetworkBody)
    network = parse(body.cidr)

    def trust(conn: sa.Connection) -> tuple[TrustedNetwork, bool]:
        return issued_networks.trust(conn, network, expires_in=body.expires_in, actor=who.actor, reason=body.reason)

    trusted, made = await change(web, who, trust)
    await web.networks_changed()
    return JSON(_record(trusted), 201 if made else 200)


async def list_all(request: Request) -> Response:
    """GET /admin/networks"""
    web, _ = await operator(request)
    found = await web.statement(networks.listed)
    configured = [str(it) for it in web.settings.trusted_networks]
    return JSON(NetworkRecords([_record(it) for it in found], None, configured, _yours(web, request)))


async def delete(request: Request) -> Response:
    """DELETE /admin/networks/:id"""
    web, who = await operator(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    network_id = request.path_params["id"]
    if not is_id(network_id):
        raise NotFound("There is no such network.")
    await change(
        web,
        who,
        lambda conn: issued_networks.remove(conn, NetworkId(network_id), actor=who.actor, reason=body.reason),
    )
    await web.networks_changed()
    return Response(status_code=204)


def _record(network: TrustedNetwork) -> NetworkRecord:
    return NetworkRecord(**asdict(network))


def _yours(web: Web, request: Request) -> YourNetwork | None:
    """Return where the request came from: an operator in the hall trusts it without knowing its address."""
    address = web.admission.address(request.scope)
    if address is None:
        return None
    try:
        cidr = str(parse(address))
    except Malformed:
        return None
    return YourNetwork(address, cidr, trusted=web.admission.limited_as(request.scope) is None)
