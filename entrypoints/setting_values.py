"""How each setting is written: text into a value, or a ValueError that never quotes what may be secret."""

import re
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from adapters.mail.addresses import parse_sender
from adapters.mail.smtp_url import parse_smtp_url
from adapters.passwords.stored_hash import is_affordable
from adapters.postgres.places import driver_url
from adapters.redis import discovery
from adapters.tokens.key_files import load_keys

ROOT = Path(__file__).resolve().parent.parent
Network = IPv4Network | IPv6Network
_ARGON2 = re.compile(r"m=([1-9][0-9]{0,11}),t=([1-9][0-9]{0,11}),p=([1-9][0-9]{0,5})")
_ENOUGH = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))
"""KiB and passes that are worth the same (OWASP Password Storage Cheat Sheet)."""
_STRING_OR_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+|[!-9;-~]+")
_LONGEST_AUDIENCE = 1000
_ORIGIN = re.compile(
    r"(?:https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])|(?!https?:|file:)[a-z][a-z0-9+.-]*://[A-Za-z0-9._~-]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_WIDEST = {4: 8, 6: 16}
"""The shortest plausible prefix of a proxy network, by IP version."""
_OUR_OWN, _MAPPED = IPv6Network("fc00::/7"), IPv6Network("::ffff:0:0/96")
_WORDS = ("secret", "change", "insecure", "password", "example", "replace", "default", "(?:^|[ ._-])your[ ._-]")
# So long, and written as people write, that of a hundred million random secrets in base64 perhaps one has any.
_SAYS = re.compile("|".join(f"{word}|{word.title()}|{word.upper()}" for word in _WORDS).encode())
_ROWS = (b"abcdefghijklmnopqrstuvwxyz", b"01234567890", b"qwertyuiop", b"asdfghjkl", b"zxcvbnm")
_STEPS = {step for row in (*_ROWS, *(row[::-1] for row in _ROWS)) for step in pairwise(row)}


class Cost(NamedTuple):
    """What a hash takes: KiB of memory, passes over it, and lanes."""

    memory: int
    passes: int
    lanes: int

    @property
    def work(self) -> int:
        """What its time is proportional to."""
        return self.memory * self.passes

    def __str__(self) -> str:
        return f"m={self.memory},t={self.passes},p={self.lanes}"


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def address(text: str, schemes: Collection[str], wanted: str) -> SplitResult:
    """What is wrong is said without the text: there may be a password in it."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not text.isprintable() or not text.isascii() or " " in text:
        raise ValueError(wanted)
    return parts


def postgres_url(text: str) -> str:
    driver_url(text)
    return text


def redis_url(text: str) -> str:
    discovery.check_url(text)
    return text


def smtp_url(text: str) -> str:
    parse_smtp_url(text)
    return text


def sender_address(text: str) -> str:
    parse_sender(text)
    return text


def key_files(text: str) -> Path:
    load_keys(ROOT / text)
    return ROOT / text


def secrets(text: str) -> tuple[bytes, ...]:
    """The first signs, all verify."""
    keys = tuple(word.encode() for word in words(text))
    if len(set(keys)) != len(keys) or not keys:
        raise ValueError("must be a list of different secrets")
    for key in keys:
        if len(key) < 32 or _is_plain(key):
            raise ValueError("each secret must be at least 32 random bytes, such as `openssl rand -hex 32` prints")
    return keys


def _is_plain(key: bytes) -> bool:
    """Whether it was typed or copied: 32 random bytes do not look like this."""
    half, steps = len(key) / 2, list(pairwise(key.lower()))
    few = len(set(key)) < 10 or max(map(key.count, set(key))) > half
    repeats = key in (key + key)[1:-1]
    return few or repeats or sum(step in _STEPS for step in steps) > half or bool(_SAYS.search(key))


def argon2(text: str) -> Cost:
    """One lane: as many hashes run as there are cores, and further lanes would only wait for them."""
    found = _ARGON2.fullmatch(text)
    if found is None:
        raise ValueError("must look like m=19456,t=2,p=1: KiB of memory, passes, and one lane")
    memory, passes = int(found[1]), int(found[2])
    if found[3] != "1":
        raise ValueError(
            "must have one lane (p=1): as many hashes run at once as there are cores, so more gain nothing"
        )
    if not any(memory >= least and passes >= times for least, times in _ENOUGH):
        raise ValueError("is too weak: the least are m=19456,t=2,p=1 and m=47104,t=1,p=1 (OWASP)")
    if not is_affordable(memory, passes):
        raise ValueError("is too expensive: at most 131072 KiB, and 1048576 KiB times passes")
    return Cost(memory, passes, 1)


def audience(text: str) -> tuple[str, ...]:
    """Names or URIs (RFC 7519, section 2: what holds a colon is a URI). Each token carries all of them."""
    found = tuple(dict.fromkeys(words(text)))
    for name in found:
        if not _STRING_OR_URI.fullmatch(name):
            raise ValueError("must be a list of names or URIs, such as https://api.example.org, notes")
    if sum(map(len, found)) > _LONGEST_AUDIENCE:
        raise ValueError(f"must have at most {_LONGEST_AUDIENCE} characters together: every token carries it")
    return found


def origins(text: str) -> tuple[str, ...]:
    """As browsers and the web views of apps write them (RFC 6454, section 6.2): without a path, and without the port
    that the scheme implies. `null` is no origin: every sandboxed page has it."""
    found = tuple(words(text))
    for origin in found:
        named = _ORIGIN.fullmatch(origin)
        if named is None or int(named["port"] or 1) not in range(1, 65536):
            raise ValueError("must be a list of origins such as https://app.example.org or capacitor://localhost")
    return tuple(map(_without_implied_port, found))


def _without_implied_port(origin: str) -> str:
    scheme, _, _ = origin.partition(":")
    return origin.removesuffix({"https": ":443", "http": ":80"}.get(scheme, "/"))


def hosts(text: str) -> tuple[str, ...]:
    found = tuple(words(text.lower()))
    for host in found:
        if not re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", host):
            raise ValueError("must be a list of names such as accounts.example.org, without scheme and port")
    return found


def bearer_token(text: str) -> str:
    """RFC 6750, section 2.1."""
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]{16,}=*", text):
        raise ValueError(
            "must have at least 16 letters, digits or . _ ~ + / -, such as `openssl rand -hex 32` prints"
        )
    return text


def networks(text: str) -> tuple[Network, ...]:
    found = tuple(ip_network(word) for word in words(text))
    for network in found:
        if isinstance(network, IPv6Network) and (network.network_address.scope_id or network.subnet_of(_MAPPED)):
            raise ValueError(f"{network} is no caller's address: leave a zone out, and write IPv4 as such")
    return found


def too_wide(network: Network) -> bool:
    """Whether strangers have addresses in it, who would then say themselves where they come from."""
    own = isinstance(network, IPv6Network) and network.subnet_of(_OUR_OWN)
    return network.prefixlen < _WIDEST[network.version] and not own
