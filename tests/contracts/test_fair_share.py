"""Fair use of connections: one for a user's units of work, half of the pool for a network, the rest for others."""

import asyncio
import contextvars
from contextlib import AbstractAsyncContextManager
from uuid import UUID, uuid4

import pytest

from adapters.caller import Caller, serve
from adapters.postgres.database import POOL_SIZE, Database
from adapters.postgres.unit_of_work import PostgresStore
from application.repositories import UnitOfWork
from domain.refusals import ErrorCode, Refusal
from tests.support.store_harness import SpyingBlocklist, wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(database: Database) -> PostgresStore:
    return PostgresStore(database, blocklist=SpyingBlocklist(), nudge=list[UUID]().extend, deadline=60)


class OpenUnits:
    """Units of work that stay open until `go_on` is set."""

    def __init__(self, store: PostgresStore) -> None:
        self._begin = store.begin
        self.begun: list[str] = []
        self.go_on = asyncio.Event()

    def start(self, ip: str, user: UUID | None = None) -> asyncio.Task[None]:
        context = contextvars.copy_context()
        context.run(serve, Caller(ip=ip, user=user))
        return asyncio.create_task(self._work(ip, self._begin()), context=context)

    async def _work(self, ip: str, work: AbstractAsyncContextManager[UnitOfWork]) -> None:
        async with work as opened:
            await opened.clients.all()
            self.begun.append(ip)
            await self.go_on.wait()


async def test_work_of_one_user_uses_one_connection(store: PostgresStore) -> None:
    works, user = OpenUnits(store), uuid4()
    own = [works.start(f"203.0.113.{number}", user) for number in range(2 * POOL_SIZE)]
    await wait_until(lambda: works.begun)
    other = works.start("198.51.100.1", uuid4())
    await wait_until(lambda: "198.51.100.1" in works.begun)
    assert len(works.begun) == 2
    works.go_on.set()
    await asyncio.gather(*own, other)
    assert len(works.begun) == 2 * POOL_SIZE + 1


async def test_work_of_one_site_uses_half_of_the_connections(store: PostgresStore) -> None:
    works = OpenUnits(store)
    own = [works.start(f"2001:db8:0:{number:x}::1", uuid4()) for number in range(2 * POOL_SIZE)]
    await wait_until(lambda: len(works.begun) == POOL_SIZE // 2)
    others = [works.start(f"198.51.100.{number}") for number in range(POOL_SIZE // 2)]
    await wait_until(lambda: len(works.begun) == POOL_SIZE)
    assert sum(ip.startswith("198.51.100.") for ip in works.begun) == POOL_SIZE // 2
    works.go_on.set()
    await asyncio.gather(*own, *others)


async def test_slow_work_of_the_same_user_is_refused_without_an_outage(
    store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    works, user = OpenUnits(store), uuid4()
    first = works.start("203.0.113.7", user)
    await wait_until(lambda: works.begun)
    with pytest.raises(Refusal) as caught:
        await works.start("203.0.113.7", user)
    assert (caught.value.code, caught.value.retry_after) == (ErrorCode.OVERLOADED, 1)
    assert not caplog.records
    works.go_on.set()
    await asyncio.gather(first, works.start("203.0.113.7", user))


async def test_a_cancelled_unit_of_work_releases_its_turn(store: PostgresStore) -> None:
    works, user = OpenUnits(store), uuid4()
    for _ in range(3):
        first, waiting = works.start("203.0.113.7", user), works.start("203.0.113.7", user)
        await wait_until(lambda: works.begun)
        for task in (waiting, first):
            task.cancel()
        await asyncio.wait([first, waiting])
        works.begun.clear()
    works.go_on.set()
    await works.start("203.0.113.7", user)
