"""Whose address a request has, behind proxies that are trusted and proxies that are not."""

import ipaddress
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access import client_address as module
from app.access.client_address import ClientAddresses, limited_as
from config.values import Network

PROXIES: tuple[Network, ...] = (
    ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_network("192.0.2.7/32"),
    ipaddress.ip_network("fd00::/8"),
)


def address(peer: str | None, *forwarded: str | bytes, proxies: tuple[Network, ...] = PROXIES) -> str | None:
    """Return the address of a request of `peer` with these X-Forwarded-For headers."""
    headers = [(b"host", b"example.org"), (b"x-real-ip", b"6.6.6.6")]
    headers += [(b"x-forwarded-for", it if isinstance(it, bytes) else it.encode("latin-1")) for it in forwarded]
    return ClientAddresses(proxies).of({"client": (peer, 12345) if peer is not None else None, "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        (None, [], None),
        (None, ["203.0.113.5"], None),
        ("", [], None),
        ("testclient", ["203.0.113.5"], None),
        # What an untrusted peer says is not believed.
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("203.0.113.5", ["10.0.0.1"], "203.0.113.5"),
        ("192.0.2.8", ["198.51.100.1"], "192.0.2.8"),
        # A trusted one is, for the last hop; a client may have sent what stands before it.
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("192.0.2.7", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1,203.0.113.5,10.9.9.9"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5, 192.0.2.7, 10.9.9.9"], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5", "10.2.2.2"], "203.0.113.5"),  # two headers are one list
        ("10.0.0.1", ["198.51.100.1", "203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["  203.0.113.5\t"], "203.0.113.5"),
        # All of them trusted: the farthest.
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # Garbage ends the chain: the nearest that was believed.
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, "], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, _hidden, 10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", ["203.0.113.999"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113"], "10.0.0.1"),
        ("10.0.0.1", ["0x7f.1"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5/32"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.05"], "10.0.0.1"),
        ("10.0.0.1", [b"\xff\xfe"], "10.0.0.1"),
        ("10.0.0.1", [b"\xb2\xb9.1.1.1"], "10.0.0.1"),  # digits, but not ours
        ("10.0.0.1", ["[", ":", "::::"], "10.0.0.1"),
        # Ports.
        ("10.0.0.1", ["203.0.113.5:4711"], "203.0.113.5"),
        ("10.0.0.1", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("10.0.0.1", ["[2001:db8::5]"], "2001:db8::5"),
        # IPv6.
        ("2001:db8::1", [], "2001:db8::1"),
        ("2001:DB8:0:0::1", [], "2001:db8::1"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("fd00::1", ["2001:db8::5, fd12::3, 10.0.0.2"], "2001:db8::5"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("10.0.0.1", ["fe80::1%25eth0"], "fe80::1"),
        # IPv4 in IPv6's clothes is IPv4, as peer and as hop.
        ("::ffff:203.0.113.5", [], "203.0.113.5"),
        ("::ffff:10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("::ffff:10.0.0.1", ["198.51.100.1, ::ffff:203.0.113.5, ::ffff:10.0.0.2"], "203.0.113.5"),
        ("10.0.0.1", ["[::ffff:203.0.113.5]:80"], "203.0.113.5"),
    ],
)
def test_client_is_the_right_most_address_outside_the_trusted(
    peer: str | None, forwarded: list[str | bytes], client: str | None
) -> None:
    assert address(peer, *forwarded) == client


def test_client_without_trusted_proxies_is_the_peer() -> None:
    assert address("10.0.0.1", "203.0.113.5", proxies=()) == "10.0.0.1"
    assert address("127.0.0.1", "203.0.113.5", proxies=()) == "127.0.0.1"


def test_long_header_is_read_to_its_end_and_not_remembered() -> None:
    addresses = ClientAddresses(PROXIES)
    chain = ", ".join(["198.51.100.1"] * 100)

    def of(peer: str, forwarded: str) -> str | None:
        return addresses.of({"client": (peer, 12345), "headers": [(b"x-forwarded-for", forwarded.encode())]})

    assert of("10.0.0.1", chain + ", 203.0.113.5, 10.2.2.2") == "203.0.113.5"
    assert of("203.0.113.9", chain) == "203.0.113.9"
    assert addresses._remembered.cache_info().currsize == 0
    assert of("10.0.0.1", "203.0.113.5") == "203.0.113.5"
    assert addresses._remembered.cache_info().currsize == 1


@given(st.binary(max_size=200), st.sampled_from(["10.0.0.1", "203.0.113.5", "::1", "fd00::2"]))
def test_client_has_an_address_whatever_is_sent(forwarded: bytes, peer: str) -> None:
    client = address(peer, forwarded)
    assert client is not None
    ipaddress.ip_address(client)
    assert limited_as(client, ())


@given(st.lists(st.ip_addresses(), max_size=6), st.ip_addresses())
def test_forged_chain_never_hides_what_a_trusted_proxy_saw(
    forged: list[ipaddress.IPv4Address | ipaddress.IPv6Address], real: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    seen = getattr(real, "ipv4_mapped", None) or real
    if module.within(seen, PROXIES):
        return
    chain = ", ".join(str(it) for it in [*forged, real])
    assert address("10.0.0.1", chain) == str(seen)


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (None, "unknown"),
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("198.51.100.77", None),
        ("2001:db8:aaaa::1", None),
        ("198.51.101.1", "198.51.101.1"),
    ],
)
def test_limits_count_an_address_an_ipv6_network_or_nobody(client: str | None, name: str | None) -> None:
    trusted: tuple[Network, ...] = (
        ipaddress.ip_network("198.51.100.0/24"),
        ipaddress.ip_network("2001:db8:aaaa::/48"),
    )
    assert limited_as(client, trusted) == name


def test_private_peer_forwarding_untrusted_is_warned_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_warned", False)
    with caplog.at_level(logging.WARNING, "scoreboard.http"):
        address("8.8.8.8", "198.51.100.1")
        address("172.16.0.77")
        assert caplog.messages == []
        for host in range(1, 4):
            address(f"172.16.0.{host}", "198.51.100.1")
    assert len(caplog.messages) == 1
    assert "172.16.0.1" in caplog.messages[0]
    assert "TRUSTED_PROXIES" in caplog.messages[0]
