"""No network, account or connection makes the service unavailable to the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from dependency_injector import providers
from litestar.types import ASGIApp

from adapters.passwords.argon2_hasher import Argon2Hasher
from entrypoints.container import Container
from entrypoints.http.app import create
from tests.support.hash_gate import HashGate
from tests.support.in_process import inside
from tests.support.service import PASSWORD, Service
from tests.support.store_harness import wait_until

pytestmark = pytest.mark.anyio

LIMITED = {"LATCHKEY_RATE_LIMITS": "on", "LATCHKEY_TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture
def gate() -> Iterator[HashGate]:
    gate = HashGate()
    yield gate
    gate.free.set()


class Gated:
    """The real application, with password hashes that wait until the test releases them."""

    def __init__(self, hasher: Argon2Hasher) -> None:
        self.hasher = hasher
        self.app: Any = None

    def __call__(self, container: Container) -> ASGIApp:
        container.hasher.override(providers.Object(self.hasher))
        app = self.app = create(container)
        return app


@pytest.fixture
async def gated(service: Service, gate: HashGate) -> AsyncIterator[tuple[Gated, httpx.AsyncClient]]:
    build = Gated(gate.hasher(queue=16))
    async with inside(service, peer="127.0.0.1", build=build, **LIMITED) as client:
        yield build, client
        gate.free.set()


async def log_in(client: httpx.AsyncClient, email: str, ip: str) -> int:
    body, headers = {"login": email, "password": PASSWORD}, {"X-Forwarded-For": ip}
    return (await client.post("/v1/login", json=body, headers=headers)).status_code


async def test_logins_from_three_networks_do_not_displace_logins_of_others(
    service: Service, gate: HashGate, gated: tuple[Gated, httpx.AsyncClient]
) -> None:
    """The attackers come first, with more than three times as many logins as the hash queue holds."""
    # Addresses that no other test uses: attempts of other tests would count for five minutes.
    thieves = [(service.user("thief"), f"10.80.0.{number % 3}") for number in range(6)]
    honest = [(service.user("honest"), f"10.81.0.{number}") for number in range(8)]
    build, client = gated
    async with asyncio.TaskGroup() as group:
        attacks = [group.create_task(log_in(client, *thief)) for thief in thieves for _ in range(9)]
        await wait_until(lambda: build.hasher.load() == (1, 16))
        logins = [group.create_task(log_in(client, *somebody)) for somebody in honest]
        await wait_until(lambda: sum(attack.done() for attack in attacks) == 54 - 17 + 8)
        gate.free.set()
    assert [login.result() for login in logins] == [200] * 8
    assert Counter(attack.result() for attack in attacks) == {503: 45, 200: 9}


async def test_disconnected_waiting_caller_costs_no_hash(
    gate: HashGate, gated: tuple[Gated, httpx.AsyncClient]
) -> None:
    build, client = gated
    working = asyncio.create_task(log_in(client, "nobody@example.org", "198.51.100.1"))
    await gate.begun()
    disconnected = asyncio.Event()
    waiting = [asyncio.create_task(log_in_and_disconnect(build.app, disconnected)) for _ in range(5)]
    await wait_until(lambda: build.hasher.load() == (1, 5))
    disconnected.set()
    await asyncio.wait(waiting)
    assert build.hasher.load() == (1, 0)
    gate.free.set()
    assert await working == 401
    assert len(gate.threads) == 1


async def log_in_and_disconnect(app: Any, disconnected: asyncio.Event) -> None:
    """Send a login, and close the connection before the response."""
    body = b'{"login":"nobody@example.org","password":"a perfectly fine passphrase"}'
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        pass

    headers = [(b"host", b"x"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope: dict[str, Any] = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http"}
    scope |= {"path": "/v1/login", "raw_path": b"/v1/login", "query_string": b"", "root_path": ""}
    scope |= {"headers": headers, "client": ("203.0.113.7", 1), "server": ("x", 80)}
    await app(scope, receive, send)
