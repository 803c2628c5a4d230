"""Which networks may be trusted at run time."""

import pytest

from app.domain.errors import Malformed
from app.domain.networks import parse
from db.networks import LiveNetwork, in_force, until


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("10.1.0.0/16", "10.1.0.0/16"),
        ("2001:db8:5::1", "2001:db8:5::/64"),
        ("2001:db8:5::1/128", "2001:db8:5::/64"),
        ("2001:db8:5::/48", "2001:db8:5::/48"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
    ],
)
def test_parse_takes_addresses_and_networks_as_wide_as_an_organization_has(text: str, network: str) -> None:
    assert str(parse(text)) == network


@pytest.mark.parametrize(
    "text",
    "0.0.0.0/0 ::/0 10.0.0.0/15 2001:d00::/31 ::ffff:0.0.0.0/96 0.0.0.0 224.0.0.1 ff02::1 hall 203.0.113.0/33 "
    "203.0.113 fe80::1%eth0 203.0.113.0/24/1".split(),
)
def test_parse_refuses_what_is_too_wide_and_what_is_no_network(text: str) -> None:
    with pytest.raises(Malformed, match="cidr: "):
        parse(text)


def test_network_is_in_force_for_as_many_seconds_as_were_left() -> None:
    known = until([LiveNetwork("203.0.113.0/24", 5.0), LiveNetwork("2001:db8::/32", None)], now=100.0)
    assert [str(it) for it in in_force(known, now=104.9)] == ["203.0.113.0/24", "2001:db8::/32"]
    assert [str(it) for it in in_force(known, now=105.0)] == ["2001:db8::/32"]
