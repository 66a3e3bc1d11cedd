"""How each setting is written: text into a value, or a ValueError that never quotes what may be secret."""

import re
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from adapters import redis_places
from adapters.key_files import load_keys
from adapters.postgres.connecting import driver_url
from adapters.rfc5322 import sender
from adapters.smtp_mailer import smtp_server

ROOT = Path(__file__).resolve().parent.parent
Network = IPv4Network | IPv6Network
_EXAMPLES = (b"changeme", b"change-me", b"change_me", b"example", b"password", b"replace")


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
    redis_places.check(text)
    return text


def smtp_url(text: str) -> str:
    smtp_server(text)
    return text


def sender_address(text: str) -> str:
    sender(text)
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
        repeats = key in (key + key)[1:-1]
        if len(key) < 32 or len(set(key)) < 10 or repeats or any(word in key.lower() for word in _EXAMPLES):
            raise ValueError("each secret must be at least 32 random bytes, such as `openssl rand -hex 32` prints")
    return keys


def origins(text: str) -> tuple[str, ...]:
    wanted = "must be a list of origins such as https://app.example.org"
    found = tuple(words(text))
    for origin in found:
        parts = address(origin, {"http", "https"}, wanted)
        if origin != f"{parts.scheme}://{parts.netloc}" or origin != origin.lower() or "*" in origin or "@" in origin:
            raise ValueError(wanted)
    return found


def hosts(text: str) -> tuple[str, ...]:
    found = tuple(words(text.lower()))
    for host in found:
        if not re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", host):
            raise ValueError("must be a list of names such as accounts.example.org, without scheme and port")
    return found


def networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(word) for word in words(text))
