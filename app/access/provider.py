"""Asks a token issuer for a document: one GET, bounded in time and size, that follows no redirect.

It blocks, so it runs in a thread. With the standard library, since the address that is connected to must be the very
one that was checked: a name may resolve to another one the next moment.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

import msgspec

PATIENCE = 5.0
"""Seconds that one document may take, from the connection to its last byte."""
LARGEST = 1024 * 1024
ADDRESSES = 3
"""Addresses of one name that are tried."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class ProviderAway(Exception):
    """The document could not be had; the message is one line that says why."""


def get_json(url: str, *, private_network: bool) -> Any:
    """Return the JSON document at a URL.

    Args:
        private_network: whether its address may be one that is not of the public internet.

    Raises:
        ProviderAway: for whatever reason.
    """
    parts = urlsplit(url)
    connection = _Connection(url, private_network=private_network)
    # Each read has a time-out of its own, and a server that sends byte by byte would have one after the other.
    deadline = threading.Timer(PATIENCE, connection.cut)
    deadline.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "application/json", "Accept-Encoding": "identity"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise ProviderAway(f"{url} answered {answer.status}")
        body = answer.read(LARGEST + 1)
        if len(body) > LARGEST:
            raise ProviderAway(f"{url} is larger than {LARGEST} bytes")
        return msgspec.json.decode(body)
    except (OSError, http.client.HTTPException) as error:
        raise ProviderAway(f"{url}: {str(error) or type(error).__name__}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise ProviderAway(f"{url} is no JSON") from None
    finally:
        deadline.cancel()
        connection.close()


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


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked."""

    def __init__(self, url: str, *, private_network: bool) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self.default_port = 443 if self._tls else 80
        self._private_network = private_network
        self._cut = False
        super().__init__(parts.hostname or "", parts.port or self.default_port, timeout=PATIENCE)

    def connect(self) -> None:
        self.sock = self._dial()
        if self._tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
        if self._cut:
            raise TimeoutError("timed out")

    def cut(self) -> None:
        """End what is under way, from another thread."""
        self._cut = True
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself

    def _dial(self) -> socket.socket:
        found = [it[4][0] for it in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)]
        allowed = [str(it) for it in dict.fromkeys(found) if self._private_network or is_public(str(it))]
        if not allowed:
            raise OSError("its address is of a private network, which private_network = true would allow")
        for address in allowed[:ADDRESSES]:
            try:
                return socket.create_connection((address, self.port), timeout=PATIENCE / ADDRESSES)
            except OSError as error:
                failed = error
        raise failed
