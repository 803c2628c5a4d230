"""SQL on `trusted_networks`: what operators trust at run time, besides `TRUSTED_NETWORKS`."""

import ipaddress
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from app.domain.ids import NetworkId
from app.domain.networks import Network
from db import audit_events

MOST = 100
"""Networks that may be trusted at once: every process keeps all of them."""


@dataclass(frozen=True, slots=True)
class TrustedNetwork:
    """A network that is trusted until it expires or is removed; `created_by` as in audit events."""

    id: NetworkId
    cidr: str
    reason: str
    expires_at: datetime | None
    created_by: str
    created_at: datetime


class LiveNetwork(NamedTuple):
    """A network in force; `seconds_left` is None for one that doesn't expire."""

    cidr: str
    seconds_left: float | None


_COLUMNS = "id::text, cidr::text, reason, expires_at, created_by, created_at"
_IN_FORCE = "coalesce(expires_at > now(), true)"
_LIVE = sa.text(f"""
    SELECT cidr::text, CAST(extract(epoch FROM expires_at - clock_timestamp()) AS double precision)
    FROM trusted_networks WHERE {_IN_FORCE} ORDER BY cidr LIMIT {2 * MOST}
""")
_LISTED = sa.text(f"SELECT {_COLUMNS} FROM trusted_networks WHERE {_IN_FORCE} ORDER BY id DESC LIMIT {2 * MOST}")
_DELETE_EXPIRED = sa.text(f"DELETE FROM trusted_networks WHERE NOT {_IN_FORCE}")
_COUNT_OTHERS = sa.text("SELECT count(*) FROM trusted_networks WHERE cidr <> CAST(:cidr AS cidr)")
_PUT = sa.text(f"""
    INSERT INTO trusted_networks (id, cidr, reason, expires_at, created_by)
    VALUES (:id, CAST(:cidr AS cidr), :reason, now() + make_interval(secs => :expires_in), :created_by)
    ON CONFLICT (cidr) DO UPDATE SET
        reason = excluded.reason, expires_at = excluded.expires_at, created_by = excluded.created_by
    RETURNING {_COLUMNS}, xmax = 0 AS made
""")
_DELETE = sa.text(f"DELETE FROM trusted_networks WHERE id = :id AND {_IN_FORCE} RETURNING {_COLUMNS}")
_FORGET = sa.text("""
    UPDATE trusted_networks SET reason = regexp_replace(reason, :words, :instead, 'gi') WHERE reason ~* :words
""")


def live(conn: sa.Connection) -> list[LiveNetwork]:
    """Read the networks that are in force."""
    return [LiveNetwork(*row) for row in conn.execute(_LIVE)]


def until(found: Iterable[LiveNetwork], now: float) -> dict[Network, float]:
    """Return until when each network is in force, by the clock of who read them: no two clocks need to agree."""
    return {
        ipaddress.ip_network(it.cidr): now + (math.inf if it.seconds_left is None else it.seconds_left) for it in found
    }


def in_force(known: Mapping[Network, float], now: float) -> tuple[Network, ...]:
    """Return the networks that have not expired."""
    return tuple(network for network, end in known.items() if now < end)


def listed(conn: sa.Connection) -> list[TrustedNetwork]:
    """Read what is known of the networks that are in force, the newest first."""
    return [TrustedNetwork(*row) for row in conn.execute(_LISTED)]


def put(
    conn: sa.Connection, network_id: NetworkId, *, cidr: str, reason: str, expires_in: int | None, created_by: str
) -> tuple[TrustedNetwork, bool] | None:
    """Add a network, or give one that is there another reason and another end.

    Args:
        expires_in: seconds from now; None for no end.

    Returns:
        The network, and whether it is new; None when there are as many as there may be.
    """
    conn.execute(_DELETE_EXPIRED)
    if conn.execute(_COUNT_OTHERS, {"cidr": cidr}).scalar_one() >= MOST:
        return None
    values = {"id": network_id, "cidr": cidr, "reason": reason, "expires_in": expires_in, "created_by": created_by}
    *columns, made = conn.execute(_PUT, values).one()
    return TrustedNetwork(*columns), made


def delete(conn: sa.Connection, network_id: NetworkId) -> TrustedNetwork | None:
    """Delete a network and return it; None when there is none."""
    row = conn.execute(_DELETE, {"id": network_id}).one_or_none()
    return TrustedNetwork(*row) if row else None


def forget(conn: sa.Connection, names: Sequence[str]) -> None:
    """Take an erased person's names out of the reasons, of which there are few."""
    conn.execute(_FORGET, {"words": audit_events.words_of(names), "instead": audit_events.INSTEAD})
