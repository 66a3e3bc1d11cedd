"""The address of a client, also behind trusted proxies (X-Forwarded-For)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog
from litestar.types import HTTPScope

_FORWARDED = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")
"""An address with a port (RFC 7239, section 6), or an IPv6 address in brackets."""

log = structlog.get_logger()


class ClientAddresses:
    """Uses X-Forwarded-For only from trusted proxies, and only the entries that trusted proxies have written."""

    def __init__(self, proxies: Sequence[IPv4Network | IPv6Network]) -> None:
        self._proxies = tuple(proxies)
        self._warned = False

    def is_proxy(self, ip: str) -> bool:
        return self._is_proxy(_address(ip)[0])

    def of(self, scope: HTTPScope) -> tuple[str, bool]:
        """The client's address, and whether a trusted proxy sent the request. The address is the last one in the
        chain that is not a trusted proxy."""
        peer, text = _address(scope["client"][0]) if scope["client"] else (None, "")
        if not self._proxies or not self._is_proxy(peer):
            return text, False
        header = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for word in reversed(header.decode("latin-1").split(",")):
            entry, forwarded = _forwarded(word.strip())
            if entry is None:
                self._warn(word.strip())
                break
            text = forwarded
            if not self._is_proxy(entry):
                break
        return text, True

    def _is_proxy(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)

    def _warn(self, entry: str) -> None:
        """Logs once, because a misconfigured proxy sends it with every request."""
        if entry and not self._warned:
            self._warned = True
            log.warning("forwarded_address_unreadable", entry=ascii(entry[:64]))


@lru_cache(4096)
def _address(text: str) -> tuple[IPv4Address | IPv6Address | None, str]:
    """Normalizes an address: IPv4 is not mapped into IPv6. Refuses zones, which may be any text."""
    try:
        address = ip_address(text)
    except ValueError:
        return None, ""
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return None, ""
        address = address.ipv4_mapped or address
    return address, str(address)


@lru_cache(4096)
def _forwarded(entry: str) -> tuple[IPv4Address | IPv6Address | None, str]:
    """The address that a proxy wrote: alone, in quotes, in brackets, or with a port."""
    if len(entry) > 2 and entry[0] == entry[-1] == '"':
        entry = entry[1:-1]
    match = _FORWARDED.fullmatch(entry)
    return _address(entry if match is None else match[1] or match[2])
