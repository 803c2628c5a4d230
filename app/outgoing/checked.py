"""Connections to addresses that were checked: none of a private network, unless it may be.

With the standard library, since the address that is connected to must be the very one that was checked: a name may
resolve to another one the next moment. TLS still asks for the name's certificate. Blocks, so it runs in a thread.
"""

import http.client
import ipaddress
import socket
import ssl
from functools import cache
from urllib.parse import urlsplit

ADDRESSES = 3
"""Addresses of one name that are tried."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddress(OSError):
    """A name has no address but those of private networks."""


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public internet."""
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # What leads to an IPv4 address is what that one is.
        if within := ip.ipv4_mapped or ip.sixtofour:
            ip = within
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.is_global and not ip.is_multicast


@cache
def _tls() -> ssl.SSLContext:
    """Return what all connections share: reading the certificates of authorities takes longer than a request."""
    return ssl.create_default_context()


class CheckedConnection(http.client.HTTPConnection):
    """A connection to an address that was checked.

    Args:
        private_network: whether it may be one that is not of the public internet.
        patience: seconds that connecting may take, and each read.
    """

    def __init__(self, url: str, *, private_network: bool, patience: float) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self.default_port = 443 if self._tls else 80
        self._private_network = private_network
        self.is_cut = False
        super().__init__(parts.hostname or "", parts.port or self.default_port, timeout=patience)

    def connect(self) -> None:
        self.sock = self._dial()
        if self._tls:
            self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host)
        if self.is_cut:
            raise TimeoutError("timed out")

    def cut(self) -> None:
        """End what is under way, from another thread: each read has a time-out of its own, all together have none."""
        self.is_cut = True
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself

    def _dial(self) -> socket.socket:
        found = [it[4][0] for it in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)]
        allowed = [str(it) for it in dict.fromkeys(found) if self._private_network or is_public(str(it))]
        if not allowed:
            raise PrivateAddress("its address is of a private network")
        for address in allowed[:ADDRESSES]:
            try:
                return socket.create_connection((address, self.port), timeout=(self.timeout or 5) / ADDRESSES)
            except OSError as error:
                failed = error
        raise failed
