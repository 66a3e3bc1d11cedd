"""Locating Redis by Sentinels or cluster nodes: the highest epoch counts, and silent ones delay nothing."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest
from redis import ConnectionError as Lost
from redis.exceptions import ReadOnlyError, RedisError

from adapters.redis.clients import async_client, sync_client
from adapters.redis.discovery import check_url, redacted
from entrypoints.devserver import engines


class FakeSentinel:
    """Answers like a Sentinel or a cluster node, with the primary's port and epoch."""

    def __init__(self, port: int, change: int) -> None:
        self._port, self._change = port, change
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line, contextlib.suppress(OSError):
                while asked := line.recv(4096):
                    for command in _commands(asked):
                        line.sendall(self._answer(command))

    def _answer(self, command: list[str]) -> bytes:
        if command[:2] == ["SENTINEL", "GET-MASTER-ADDR-BY-NAME"]:
            return _reply(["127.0.0.1", str(self._port)] if command[2] == "main" else None)
        if command[:2] == ["SENTINEL", "MASTER"]:
            return _reply(["name", "main", "config-epoch", str(self._change), "flags", "master"])
        if command == ["CLUSTER", "SLOTS"]:
            return _reply([[0, 99, ["127.0.0.1", 1, "a"]], [100, 16383, ["127.0.0.1", self._port, "b"]]])
        if command == ["CLUSTER", "INFO"]:
            return _reply(f"cluster_state:ok\r\ncluster_current_epoch:{self._change}\r\n")
        return b"+OK\r\n"


def _commands(request: bytes) -> Iterator[list[str]]:
    words = request.decode().split("\r\n")
    while len(words) > 1:
        number = int(words[0][1:])
        yield [words[2 + 2 * place] for place in range(number)]
        words = words[1 + 2 * number :]


def _reply(it: object) -> bytes:
    if it is None:
        return b"*-1\r\n"
    if isinstance(it, int):
        return f":{it}\r\n".encode()
    if isinstance(it, list):
        return f"*{len(it)}\r\n".encode() + b"".join(map(_reply, it))
    return f"${len(str(it))}\r\n{it}\r\n".encode()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """The port of a server that accepts everything and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def sentinels(valkey: engines.Valkey) -> Iterator[list[FakeSentinel]]:
    """The last one has the highest epoch; the first names a closed port."""
    made = [FakeSentinel(1, 4), FakeSentinel(valkey.port, 10)]
    yield made
    for oracle in made:
        oracle.close()


def url(kind: str, valkey: engines.Valkey, *ports: int) -> str:
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"redis+{kind}://:{valkey.password}@{hosts}" + ("/2?service=main" if kind == "sentinel" else "")


KINDS = pytest.mark.parametrize("kind", ["sentinel", "cluster"])


@KINDS
@pytest.mark.anyio
async def test_the_answer_with_the_highest_epoch_is_used(
    valkey: engines.Valkey, sentinels: list[FakeSentinel], silent_port: int, kind: str
) -> None:
    there = url(kind, valkey, 1, sentinels[0].port, sentinels[1].port, silent_port)
    async with async_client(there, timeout=2.0) as client:
        assert await client.ping()
        [info] = [it for it in await client.client_list() if it["cmd"] == "client|list"]
        assert info["db"] == ("2" if kind == "sentinel" else "0")
    with sync_client(there, timeout=2.0) as client:
        assert client.ping()


@KINDS
@pytest.mark.anyio
async def test_silent_sentinels_and_nodes_cost_one_timeout(
    valkey: engines.Valkey, silent_port: int, kind: str
) -> None:
    there = url(kind, valkey, silent_port, silent_port, silent_port, 1)
    began = monotonic()
    async with async_client(there, timeout=0.2) as client:
        with pytest.raises(RedisError):
            await client.ping()
    with sync_client(there, timeout=0.2) as client, pytest.raises(Lost):
        client.ping()
    # Two timeouts of 0.2 s, with room for a busy machine.
    assert monotonic() - began < 1.5


@KINDS
@pytest.mark.anyio
async def test_a_connection_locates_the_server_again_after_a_wrong_server_error(
    valkey: engines.Valkey, kind: str
) -> None:
    oracle = FakeSentinel(valkey.port, 1)
    there = url(kind, valkey, oracle.port)
    async with async_client(there, timeout=2.0) as client:
        assert await client.ping()
        oracle.close()
        assert await client.ping()
        with pytest.raises(ReadOnlyError):
            await client.eval("return redis.error_reply('READONLY it is somebody else')", 0)
        with pytest.raises(RedisError):
            await client.ping()


@pytest.mark.anyio
async def test_a_fixed_address_is_connected_again_after_a_wrong_server_error(valkey: engines.Valkey) -> None:
    async with async_client(valkey.url, timeout=2.0) as client:
        before = await client.client_id()
        with pytest.raises(ReadOnlyError):
            await client.eval("return redis.error_reply('READONLY it is a replica by now')", 0)
        assert await client.client_id() != before
    with sync_client(valkey.url, timeout=2.0) as client:
        before = client.client_id()
        with pytest.raises(RedisError):
            client.eval("return redis.error_reply('MOVED 7 127.0.0.1:1')", 0)
        assert client.client_id() != before


def test_a_redacted_url_holds_no_secret() -> None:
    for text, expected in {
        "redis://me:hunter2@h:7/0": "h:7",
        "redis+sentinel://:hunter2@h:1,g:2/0?service=m&sentinel_password=hunter2": "h:1,g:2",
        "redis+cluster://:hunter2@h:1": "h:1",
        "unix:///run/redis.sock?password=hunter2": "/run/redis.sock",
    }.items():
        assert redacted(text) == expected


@pytest.mark.parametrize("end", ["/1/2", "/-1", "/a", "/0?timeout=20", "/0?socket_timeout=9", "?max_connections=9"])
def test_a_url_sets_no_timeouts(end: str) -> None:
    check_url("rediss://h:1/1?ssl_ca_certs=ca.pem")
    with pytest.raises(ValueError, match="must be an address"):
        check_url(f"redis://h:1{end}")
