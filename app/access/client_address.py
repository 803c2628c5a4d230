"""The client's address, read from X-Forwarded-For behind the proxies that we trust."""

import ipaddress
import logging
from functools import lru_cache

from starlette.types import Scope

from config.values import Network

log = logging.getLogger("scoreboard.http")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_REMEMBERED = 500
"""Bytes of X-Forwarded-For."""

_warned = False


class ClientAddresses:
    """Finds clients' addresses behind trusted proxies; X-Forwarded-For from an untrusted peer is ignored."""

    def __init__(self, trusted_proxies: tuple[Network, ...]) -> None:
        self._trusted_proxies = trusted_proxies
        self._remembered = lru_cache(maxsize=10_000)(self._resolve)

    def of(self, scope: Scope) -> str | None:
        """Return the right-most address that is no trusted proxy's; None when the peer has no address."""
        peer = scope["client"][0] if scope.get("client") else None
        if peer is None:
            return None
        forwarded = b",".join([value for name, value in scope["headers"] if name == b"x-forwarded-for"])
        # A long header is not cached: anybody could fill the cache with ten thousand of them.
        resolve = self._remembered if len(forwarded) <= LONGEST_REMEMBERED else self._resolve
        return resolve(peer, forwarded.decode("latin-1"))

    def _resolve(self, peer: str, forwarded: str) -> str | None:
        address = _parse(peer)
        if address is None:
            return None
        if forwarded and not within(address, self._trusted_proxies):
            _warn_once(address)
        hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
        while hops and within(address, self._trusted_proxies):
            before = _parse(hops.pop())
            if before is None:
                break
            address = before
        return str(address)


def is_trusted_proxy(scope: Scope, trusted_proxies: tuple[Network, ...]) -> bool:
    """Return whether a request was sent by one of the proxies that we trust."""
    peer = _parse(scope["client"][0]) if scope.get("client") else None
    return peer is not None and within(peer, trusted_proxies)


def _parse(text: str) -> Address | None:
    """Parse an address, with or without a port; an IPv4-mapped IPv6 address becomes IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def within(address: Address, networks: tuple[Network, ...]) -> bool:
    """Return whether an address is in one of the networks."""
    return any(address.version == network.version and address in network for network in networks)


def limited_as(client: str | None, trusted_networks: tuple[Network, ...]) -> str | None:
    """Return the name under which a client's address is limited: itself, or its IPv6 /64; None if it isn't limited."""
    if client is None:
        return "unknown"
    address = ipaddress.ip_address(client)
    if within(address, trusted_networks):
        return None
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return client


def _warn_once(peer: Address) -> None:
    global _warned
    if peer.is_private and not _warned:
        _warned = True
        log.warning("%s sends X-Forwarded-For and is not in TRUSTED_PROXIES: all its clients share one address", peer)
