"""Networks that are trusted at run time: what may be written for one, and how wide it may be."""

import ipaddress

from app.domain.errors import Malformed

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

WIDEST = {4: 16, 6: 32}
"""The shortest prefix of each version: a university has as much, a whole provider has more."""
LONGEST = 49
"""Characters of a network, written out."""


def parse(text: str) -> Network:
    """Read a network, or an address: one of IPv6 stands for its /64, which limits count as one address.

    Raises:
        Malformed: when it is neither, is wider than `WIDEST`, or no client can have such an address.
    """
    try:
        network = ipaddress.ip_network(text, strict=False) if "%" not in text else None
    except ValueError:
        network = None
    if network is None:
        raise Malformed("cidr: must be an address or a network, such as 203.0.113.7 or 203.0.113.0/24.")
    if network.version == 6 and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        network = ipaddress.ip_network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    elif network.version == 6 and network.prefixlen > 64:
        network = network.supernet(new_prefix=64)
    if network.prefixlen < WIDEST[network.version]:
        raise Malformed(f"cidr: is too wide: at least /{WIDEST[4]} of IPv4, or /{WIDEST[6]} of IPv6.")
    if network.is_multicast or network.network_address.is_unspecified:
        raise Malformed("cidr: no client has such an address.")
    return network
