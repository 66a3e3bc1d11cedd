"""Finds the Redis server: a fixed address, the master that Sentinels name, or the node that owns our hash tag.

Each new connection asks all Sentinels or nodes at the same time and uses the answer with the highest epoch.
redis-py's `Sentinel` and `RedisCluster` ask one after another and use the first answer, even that of a stale node.
A wrong address only costs time: `blocklist/` decides which server is trusted.
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

_SLOT = key_slot(b"{latchkey}")
_DATABASE = re.compile(r"/?|/[0-9]{1,4}", re.ASCII)
_EXPECTED = (
    "must be an address such as redis://user:password@host:6379/0, redis+sentinel://host:26379,host2:26379/0?service=main"
    " or redis+cluster://host:6379,host2:6379"
)

Address = tuple[str, int]
_Answer = tuple[int, Address]
"""The epoch that a Sentinel or node knows, and the address of the server."""


@dataclass(frozen=True, slots=True, repr=False)
class ServerLocator:
    """The Sentinels or cluster nodes to ask."""

    addresses: tuple[Address, ...]
    ask: Callable[["redis.Redis"], _Answer | None]
    login: Mapping[str, str]

    def locate(self, timeout: float) -> Address:
        """Blocks for at most `timeout` seconds. Raises ConnectionError if no Sentinel or node answers in time."""
        threads = ThreadPoolExecutor(len(self.addresses), thread_name_prefix="locate-redis")
        try:
            futures = [threads.submit(self._query, address, timeout / 2) for address in self.addresses]
            finished, _ = wait(futures, timeout / 2)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
        answers = [answer for future in finished if (answer := future.result()) is not None]
        if not answers:
            raise redis.ConnectionError("no Sentinel or cluster node answers")
        return max(answers)[1]

    def _query(self, address: Address, timeout: float) -> _Answer | None:
        host, port = address
        options: dict[str, Any] = {**fail_fast_options(timeout, Retry(NoBackoff(), 0)), **self.login}
        client = redis.Redis(host=host, port=port, **options)
        try:
            answer = self.ask(client)
        except (RedisError, OSError):
            return None
        finally:
            client.close()
        return None if answer is None else (answer[0], (answer[1][0] or host, answer[1][1]))


def _query_sentinel(client: "redis.Redis", *, service: str) -> _Answer | None:
    execute: Callable[..., Any] = client.execute_command  # redis-py does not annotate it
    address = execute("SENTINEL GET-MASTER-ADDR-BY-NAME", service)
    if address is None:
        return None
    host, port = address
    return int(execute("SENTINEL MASTER", service)["config-epoch"]), (_text(host), int(port))


def _query_node(client: "redis.Redis") -> _Answer | None:
    """The host is empty if the node does not know its own address."""
    execute: Callable[..., Any] = client.execute_command
    for first, last, (host, port, *_), *_ in execute("CLUSTER SLOTS"):
        if first <= _SLOT <= last:
            return int(execute("CLUSTER INFO")["cluster_current_epoch"]), (_text(host or ""), int(port))
    return None


def _text(word: str | bytes) -> str:
    return word.decode() if isinstance(word, bytes) else word


def check_url(url: str) -> None:
    """Raises ValueError; its message does not quote the URL, which may contain a password."""
    parse_url(url)


def redacted(url: str) -> str:
    """The hosts or the socket path of the URL, without credentials."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or parts.path


def fail_fast_options(timeout: float, retry: Any) -> dict[str, Any]:
    """Connection options. By default redis-py retries ten times, which takes seconds."""
    return {"retry": retry, "socket_timeout": timeout, "socket_connect_timeout": timeout, "protocol": 2}


def parse_url(url: str) -> tuple[dict[str, Any], ServerLocator | None]:
    """The options of a redis-py connection, and a locator for Sentinel and cluster URLs. Raises ValueError."""
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
        user, _, password = (unquote(part) for part in login.partition(":"))
        options: dict[str, Any] = {"username": user or None, "password": password or None}
        addresses = tuple(_parse_address(host) for host in hosts.split(","))
        if (scheme, kind) == ("redis", "cluster") and not query and parts.path in {"", "/", "/0"}:
            credentials = {name: value for name, value in options.items() if value}
            return options, ServerLocator(addresses, _query_node, credentials)
        if (scheme, kind) == ("redis", "sentinel") and query.keys() <= {"service", "sentinel_password"}:
            options["db"] = int(parts.path.removeprefix("/") or 0)
            credentials = {"password": query["sentinel_password"]} if "sentinel_password" in query else {}
            return options, ServerLocator(addresses, partial(_query_sentinel, service=query["service"]), credentials)
        raise ValueError
    except (ValueError, KeyError):
        raise ValueError(_EXPECTED) from None


def _is_plain(parts: SplitResult) -> bool:
    """True for a plain URL without options for timeouts or the number of connections, which are not configurable."""
    options = parse_qs(parts.query, strict_parsing=bool(parts.query)).keys()
    if parts.scheme == "unix":
        return options <= {"db", "password"}
    complete = bool(parts.hostname) and parts.port != 0 and _DATABASE.fullmatch(parts.path) is not None
    return complete and all(option.startswith("ssl_") for option in options)


def _parse_address(text: str) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or not parts.port or parts.path or parts.query or "@" in text:
        raise ValueError
    return parts.hostname, parts.port
