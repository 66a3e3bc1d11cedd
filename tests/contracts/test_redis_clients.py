"""redis-py's clients as they are made here: TLS, users, connections that the server closes, and time limits."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from adapters.redis.clients import async_client, single_connection_client, sync_client
from entrypoints.devserver import engines
from tests.support.certificates import Authority
from tests.support.tcp_proxy import proxy

pytestmark = pytest.mark.anyio

Ping = Callable[[str], Awaitable[object]]


async def handshake(connection: AbstractConnection) -> None:
    await connection.on_connect()


async def ping_pooled(url: str) -> object:
    async with async_client(url, timeout=2.0) as client:
        execute: Callable[..., Awaitable[object]] = client.execute_command  # redis-py does not annotate it
        return await execute("PING")


async def ping_single(url: str) -> object:
    async with single_connection_client(url, timeout=2.0, on_connect=handshake) as client:
        execute: Callable[..., Awaitable[object]] = client.execute_command  # redis-py does not annotate it
        return await execute("PING")


async def ping_sync(url: str) -> object:
    def ping() -> object:
        with sync_client(url, timeout=2.0) as client:
            return client.ping()

    return await asyncio.to_thread(ping)


EACH = pytest.mark.parametrize("ping", [ping_pooled, ping_single, ping_sync])


@asynccontextmanager
async def behind_tls(valkey: engines.Valkey, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a server that terminates TLS in front of Valkey."""
    tasks: set[asyncio.Task[None]] = set()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", valkey.port)
        tasks.update(asyncio.create_task(copy(*pair)) for pair in ((reader, back), (there, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@EACH
async def test_tls_accepts_only_certificates_of_the_given_authority(
    valkey: engines.Valkey, ping: Ping, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    async with behind_tls(valkey, authority.server("127.0.0.1")) as port:
        for trusted, answers in ((authority, True), (other, False)):
            file = trusted.trusting["SSL_CERT_FILE"]
            url = f"rediss://:{valkey.password}@127.0.0.1:{port}/0?ssl_ca_certs={file}"
            if answers:
                assert await ping(url)
            else:
                with pytest.raises((RedisError, OSError)):
                    await ping(url)


@EACH
async def test_the_acl_user_of_the_url_is_used(valkey: engines.Valkey, redis: "Redis", ping: Ping) -> None:
    await redis.acl_setuser("latchkey", enabled=True, passwords=["+secret"], commands=["+ping", "+client"])
    place = urlsplit(valkey.url).netloc.rpartition("@")[2]
    try:
        assert await ping(f"redis://latchkey:secret@{place}/0")
        with pytest.raises(RedisError):
            await ping(f"redis://latchkey:other@{place}/0")
    finally:
        await redis.acl_deluser("latchkey")


async def test_a_connection_closed_by_the_server_is_replaced(valkey: engines.Valkey, redis: "Redis") -> None:
    connections = 0

    async def count(connection: AbstractConnection) -> None:
        nonlocal connections
        connections += 1
        await handshake(connection)

    async with (
        single_connection_client(valkey.url, timeout=2.0, on_connect=count) as single,
        async_client(valkey.url, timeout=2.0) as pooled,
    ):
        for client in (single, pooled):
            assert await client.ping()
            await redis.client_kill_filter(_type="normal", skipme=True)
            assert await client.ping()
    assert connections == 2


@pytest.mark.parametrize("ping", [ping_pooled, ping_sync])
async def test_a_silent_server_fails_within_the_timeouts(valkey: engines.Valkey, ping: Ping) -> None:
    async with proxy(valkey.url) as wire:
        wire.cut()
        began = monotonic()
        with pytest.raises((RedisError, OSError)):
            await ping(wire.url)
        assert monotonic() - began < 10
