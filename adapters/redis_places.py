"""Where Redis is: at an address, where the Sentinels say, or on the node of a cluster that owns our one hash tag.

Each new connection asks all Sentinels or nodes at once, and uses the answer with the highest epoch. A wrong answer
only costs time: see `redis_blocklist.py` for which server is trusted.
"""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import redis
from redis import asyncio as aio
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError
from redis.retry import Retry

FLOOR = "{latchkey}:floor:"
"""What the key of a session's revocation begins with."""

DEADLINE = 0.2
"""Timeout of a command while a request waits for it, in seconds."""

_SLOT = key_slot(b"{latchkey}")
_DATABASE = re.compile(r"/?|/[0-9]{1,4}", re.ASCII)
_WANTED = (
    "must be an address such as redis://user:password@host:6379/0, redis+sentinel://host:26379,host2:26379/0?service=main"
    " or redis+cluster://host:6379,host2:6379"
)

Address = tuple[str, int]
_Told = tuple[int, Address]
"""The latest known epoch, and the address of the server."""


@dataclass(frozen=True, slots=True, repr=False)
class Directory:
    """Those who know where the server is. `find` blocks for `deadline` seconds at most."""

    addresses: tuple[Address, ...]
    ask: Callable[["redis.Redis"], _Told | None]
    login: Mapping[str, str]

    def find(self, deadline: float) -> Address:
        """Raises ConnectionError if no Sentinel or node answers in time."""
        crowd = ThreadPoolExecutor(len(self.addresses), thread_name_prefix="where-is-redis")
        try:
            asked = [crowd.submit(self._asked, address, deadline / 2) for address in self.addresses]
            answered, _ = wait(asked, deadline / 2)
        finally:
            crowd.shutdown(wait=False, cancel_futures=True)
        told = [answer for future in answered if (answer := future.result()) is not None]
        if not told:
            raise redis.ConnectionError("no Sentinel or cluster node answers")
        return max(told)[1]

    def _asked(self, address: Address, deadline: float) -> _Told | None:
        host, port = address
        login: dict[str, Any] = {**at_once(deadline, Retry(NoBackoff(), 0)), **self.login}
        client = redis.Redis(host=host, port=port, **login)
        try:
            told = self.ask(client)
        except (RedisError, OSError):
            return None
        finally:
            client.close()
        return None if told is None else (told[0], (told[1][0] or host, told[1][1]))


def _by_sentinel(client: "redis.Redis", *, service: str) -> _Told | None:
    say: Callable[..., Any] = client.execute_command  # untyped where it comes from
    found = say("SENTINEL GET-MASTER-ADDR-BY-NAME", service)
    if found is None:
        return None
    host, port = found
    return int(say("SENTINEL MASTER", service)["config-epoch"]), (_text(host), int(port))


def _by_node(client: "redis.Redis") -> _Told | None:
    """A node that does not know its own address leaves it out."""
    say: Callable[..., Any] = client.execute_command
    for first, last, (host, port, *_), *_ in say("CLUSTER SLOTS"):
        if first <= _SLOT <= last:
            return int(say("CLUSTER INFO")["cluster_current_epoch"]), (_text(host or ""), int(port))
    return None


def _text(word: str | bytes) -> str:
    return word.decode() if isinstance(word, bytes) else word


def check(url: str) -> None:
    """Raises ValueError, without the text: there may be a password in it."""
    parsed(url)


def described(url: str) -> str:
    """Where it is, or who is asked, without a secret."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or parts.path


def at_once(deadline: float, retry: Any) -> dict[str, Any]:
    """What a connection is made with that answers in time or fails. redis-py tries ten times, for seconds."""
    return {"retry": retry, "socket_timeout": deadline, "socket_connect_timeout": deadline, "protocol": 2}


def parsed(url: str) -> tuple[dict[str, Any], Directory | None]:
    """What redis-py connects with, and who is to be asked where to."""
    try:
        if not url.isprintable() or not url.isascii() or " " in url:
            raise ValueError
        parts = urlsplit(url)
        scheme, _, kind = parts.scheme.partition("+")
        if not kind:
            if not _is_plain(parts):
                raise ValueError
            return {**aio.connection.parse_url(url)}, None
        login, _, hosts = parts.netloc.rpartition("@")
        query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        user, _, password = (unquote(word) for word in login.partition(":"))
        found: dict[str, Any] = {"username": user or None, "password": password or None}
        addresses = tuple(_address(host) for host in hosts.split(","))
        if (scheme, kind) == ("redis", "cluster") and not query and parts.path in {"", "/", "/0"}:
            known = {name: word for name, word in found.items() if word}
            return found, Directory(addresses, _by_node, known)
        if (scheme, kind) == ("redis", "sentinel") and query.keys() <= {"service", "sentinel_password"}:
            found["db"] = int(parts.path.removeprefix("/") or 0)
            known = {"password": query["sentinel_password"]} if "sentinel_password" in query else {}
            return found, Directory(addresses, partial(_by_sentinel, service=query["service"]), known)
        raise ValueError
    except (ValueError, KeyError):
        raise ValueError(_WANTED) from None


def _is_plain(parts: SplitResult) -> bool:
    """Deadlines, and how many connections there are, are no options here."""
    options = parse_qs(parts.query, strict_parsing=bool(parts.query)).keys()
    if parts.scheme == "unix":
        return options <= {"db", "password"}
    placed = bool(parts.hostname) and parts.port != 0 and _DATABASE.fullmatch(parts.path) is not None
    return placed and all(option.startswith("ssl_") for option in options)


def _address(text: str) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or not parts.port or parts.path or parts.query or "@" in text:
        raise ValueError
    return parts.hostname, parts.port
