"""Trusting a network at run time, and no longer trusting it: recorded with actor and reason."""

import sqlalchemy as sa

from app.domain.errors import Conflict, NotFound
from app.domain.ids import NetworkId, new_id
from app.domain.networks import Network
from db import audit_events, networks
from db.networks import TrustedNetwork

LONGEST_TRUST = 366 * 24 * 3600
"""Seconds for which a network may be trusted, if not for good."""


class TooManyNetworks(Conflict):
    code, title = "too-many-networks", "Too many trusted networks"


def trust(
    conn: sa.Connection, network: Network, *, expires_in: int | None, actor: str, reason: str
) -> tuple[TrustedNetwork, bool]:
    """Trust a network from now on; one that is trusted already has the new reason and the new end.

    Returns:
        The network, and whether it is new.

    Raises:
        TooManyNetworks: when so many are trusted already.
    """
    found = networks.put(
        conn,
        NetworkId(new_id()),
        cidr=str(network),
        reason=reason,
        expires_in=expires_in,
        created_by=actor,
    )
    if found is None:
        raise TooManyNetworks(
            f"{networks.MOST} networks are trusted already: remove one, or name them in the settings."
        )
    audit_events.record(
        conn, "network_trusted", actor=actor, reason=reason, network=found[0].id, cidr=found[0].cidr, seconds=expires_in
    )
    return found


def remove(conn: sa.Connection, network_id: NetworkId, *, actor: str, reason: str | None) -> None:
    """Trust a network no longer.

    Raises:
        NotFound: when none has this id.
    """
    removed = networks.delete(conn, network_id)
    if removed is None:
        raise NotFound("There is no such network.")
    audit_events.record(
        conn, "network_removed", actor=actor, reason=reason, network=removed.id, cidr=removed.cidr, why=removed.reason
    )
