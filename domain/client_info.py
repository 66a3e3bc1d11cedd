"""IP address and user agent of a caller."""

from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """`ip` is the client's IP address. `user_agent` is the header that it sent, unchecked. `language` is what it
    prefers of ours. Each may be empty."""

    ip: str = ""
    user_agent: str = ""
    language: str = field(default="", compare=False)

    @property
    def network(self) -> str:
        """The unit of rate limits: the IPv4 address, or the /64 of an IPv6 address, which one customer of a provider
        has (RFC 6177, RFC 7934). An IPv4-mapped IPv6 address counts as its IPv4 address."""
        return _network(self.ip, 64)

    @property
    def site(self) -> str:
        """The unit of fair shares: the IPv4 address, or the /48 of an IPv6 address, the largest block of one customer
        (RFC 6177): 65,536 networks. Rate limits do not count sites."""
        return _network(self.ip, 48)


@lru_cache  # a request asks for it several times
def _network(ip: str, prefix: int) -> str:
    if not ip:
        return ""
    address = ip_address(ip)
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), prefix), strict=False))


UNKNOWN_CLIENT = ClientInfo()
"""For the command line and background work, which have no client."""
