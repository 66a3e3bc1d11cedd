"""Networks and sites of IP addresses."""

import pytest

from domain.client_info import ClientInfo


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_an_address_belongs_to_a_network(ip: str, network: str) -> None:
    assert ClientInfo(ip=ip).network == network


def test_the_next_ipv6_64_is_another_network() -> None:
    assert ClientInfo(ip="2001:db8:1:2::1").network != ClientInfo(ip="2001:db8:1:3::1").network


def test_the_next_ipv4_address_is_another_network() -> None:
    assert ClientInfo(ip="203.0.113.7").network != ClientInfo(ip="203.0.113.8").network
