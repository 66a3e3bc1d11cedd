"""IP address and user agent of a caller."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """`ip` is the client's address, `user_agent` the caller's own word; either may be empty."""

    ip: str = ""
    user_agent: str = ""

    @property
    def network(self) -> str:
        """What one customer of a provider is given, and so what one limit counts: an IPv4 address, or of an IPv6
        address its /64 (RFC 6177, RFC 7934). An IPv4 address written as IPv6 is the same address."""
        return self._network(64)

    @property
    def site(self) -> str:
        """What one subscriber may hold at most: an IPv4 address, or of an IPv6 address its /48 (RFC 6177), which has
        65,536 networks. Scarce resources are shared between sites; nothing is refused for what a site did."""
        return self._network(48)

    def _network(self, prefix: int) -> str:
        if not self.ip:
            return ""
        address = ip_address(self.ip)
        if isinstance(address, IPv4Address):
            return str(address)
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((int(address), prefix), strict=False))


UNKNOWN_CLIENT = ClientInfo()
"""For the command line and background work, which have no client."""
