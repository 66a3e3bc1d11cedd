"""Two servers at the same time: a session revoked on one is refused by the processes of both."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.postgres.database import Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from adapters.redis.blocklist import RedisBlocklist
from adapters.revocations import BlocklistPrimary
from domain.session import ENDED, EndReason, Session
from entrypoints.devserver import engines
from tests.support.blocklists import HORIZON, LEASE_KEY, FakeRevocationStore, gone, renewing, revocation_key, trusted
from tests.support.store_harness import LATER, SpyingBlocklist, StoreHarness, new_id, wait_until

pytestmark = pytest.mark.anyio

LEASE, DEADLINE = 0.5, 0.2


def blocklist_at(
    url: str, floors: PostgresRevocationStore | FakeRevocationStore, *, reelection_delay: float = 10.0
) -> RedisBlocklist:
    return RedisBlocklist(
        url,
        store=floors,
        horizon=HORIZON,
        lease=LEASE,
        deadline=DEADLINE,
        reelection_delay=reelection_delay,
    )


@pytest.fixture
def other_valkey(tmp_path: Path) -> Iterator[engines.Valkey]:
    with engines.valkey(tmp_path / "other") as started:
        yield started


@pytest.fixture
async def other_redis(other_valkey: engines.Valkey) -> AsyncIterator["Redis"]:
    async with Redis.from_url(other_valkey.url) as client:
        yield client


@pytest.fixture
def store() -> FakeRevocationStore:
    return FakeRevocationStore()


@pytest.fixture
async def old(store: FakeRevocationStore, valkey: engines.Valkey, redis: "Redis") -> AsyncIterator[RedisBlocklist]:
    blocklist = blocklist_at(valkey.url, store, reelection_delay=3.0)
    yield blocklist
    await blocklist.close()


@pytest.fixture
async def new(store: FakeRevocationStore, other_valkey: engines.Valkey) -> AsyncIterator[RedisBlocklist]:
    blocklist = blocklist_at(other_valkey.url, store)
    yield blocklist
    await blocklist.close()


async def await_trust(blocklist: RedisBlocklist) -> None:
    async def is_trusted() -> bool:
        return await blocklist.min_generations([]) is not None

    await wait_until(is_trusted, within=10)


async def lease_of(client: "Redis") -> bytes:
    mark = await client.get(LEASE_KEY)
    assert isinstance(mark, bytes)
    return mark


async def untrusted(blocklist: RedisBlocklist) -> None:
    async with asyncio.timeout(10):
        while await blocklist.min_generations([]) is not None:
            await blocklist.renew()
            await asyncio.sleep(0.02)


async def test_later_of_two_servers_is_trusted(
    store: FakeRevocationStore, old: RedisBlocklist, new: RedisBlocklist, redis: "Redis", other_redis: "Redis"
) -> None:
    await trusted(old)
    await new.renew()
    assert store.current_primary is not None
    assert store.current_primary.epoch == 2
    await trusted(new)
    await untrusted(old)
    for _ in range(5):
        await old.renew()
        await new.renew()
    assert await new.min_generations([]) == {}
    assert store.current_primary.epoch == 2


async def test_locating_the_primary_interrupts_no_command(
    store: FakeRevocationStore, old: RedisBlocklist, new: RedisBlocklist, redis: "Redis"
) -> None:
    await trusted(old)
    await new.renew()
    await untrusted(old)

    async def publish(number: int) -> None:
        await asyncio.sleep(number / 1000)
        await old.publish({new_id(): 2})

    # Each checks again and again, until every lease has expired.
    publications = [asyncio.create_task(publish(number)) for number in range(50)]
    while not all(publication.done() for publication in publications):
        await old.renew()
    assert [publication.exception() for publication in publications] == [None] * 50


async def test_the_new_primary_is_trusted_after_the_old_lease_has_expired(
    store: FakeRevocationStore, old: RedisBlocklist, new: RedisBlocklist, redis: "Redis"
) -> None:
    await trusted(old)
    async with renewing(new):
        while await old.min_generations([]) is not None:
            await old.renew()
            assert await new.min_generations([]) is None
        while await redis.exists(LEASE_KEY):
            assert await new.min_generations([]) is None
        await await_trust(new)


async def test_revocations_under_the_last_old_lease_reach_the_new_primary(
    store: FakeRevocationStore, old: RedisBlocklist, new: RedisBlocklist, redis: "Redis"
) -> None:
    await trusted(old)
    await new.renew()
    store.end(session := new_id())
    await old.publish({session: ENDED})
    assert await redis.exists(LEASE_KEY)
    await old.renew()
    async with renewing(new):
        await await_trust(new)
    assert await new.min_generations([session]) == {session: ENDED}


async def test_revocations_at_a_former_primary_wait_for_the_new_one(
    store: FakeRevocationStore, old: RedisBlocklist, new: RedisBlocklist, redis: "Redis"
) -> None:
    await trusted(old)
    async with renewing(new):
        await untrusted(old)
        await gone(redis, LEASE_KEY)
        await await_trust(new)
        for _ in range(3):
            store.end(session := new_id())
            await old.publish({session: ENDED})
            assert await redis.exists(revocation_key(session))
            assert await new.min_generations([session]) in ({session: ENDED}, None)


async def test_a_replicated_lease_is_untrusted(
    store: FakeRevocationStore, old: RedisBlocklist, new: RedisBlocklist, redis: "Redis", other_redis: "Redis"
) -> None:
    await trusted(new)
    lease = await lease_of(other_redis)
    store.current_primary = None
    await trusted(old)
    mine = await lease_of(redis)
    assert mine != lease
    await redis.set(LEASE_KEY, lease)
    store.end(session := new_id())
    assert await old.min_generations([session]) is None
    await old.publish({session: ENDED})
    store.current_primary = BlocklistPrimary(mine.partition(b":")[0].decode(), 2)
    await trusted(old)
    await redis.set(LEASE_KEY, mine)
    assert await old.min_generations([session]) is None, "the same server in another epoch"


async def test_demoted_server_is_promoted_again_if_it_is_alone(
    store: FakeRevocationStore, old: RedisBlocklist, new: RedisBlocklist, redis: "Redis"
) -> None:
    await trusted(old)
    await trusted(new)
    await new.close()
    async with renewing(old):
        await untrusted(old)
        await await_trust(old)


async def test_revocations_take_effect_while_two_servers_alternate_as_primary(
    database: Database, valkey: engines.Valkey, redis: "Redis", other_valkey: engines.Valkey
) -> None:
    floors, dice = PostgresRevocationStore(database), random.Random(7)
    sides = [blocklist_at(url, floors, reelection_delay=0.9) for url in (valkey.url, other_valkey.url)]
    stores = [PostgresStore(database, blocklist=side, nudge=lambda _: None) for side in sides]
    harness = StoreHarness(stores[0], PostgresRenewals(database), floors, SpyingBlocklist(), [])
    user = await harness.user()
    heard_of = [0, 0]

    async def revoke_and_check(session: Session, delay: float, here: int) -> None:
        await asyncio.sleep(delay)
        async with stores[here].begin() as work:
            await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT)
        for _ in range(100):
            for number, side in enumerate(sides):
                heard = await side.min_generations([session.id])
                assert heard in ({session.id: ENDED}, None), (number, here)
                heard_of[number] += heard is not None
            await asyncio.sleep(0.01)

    sessions = [await harness.session(user) for _ in range(40)]
    async with renewing(sides[0], every=0.1), renewing(sides[1], every=0.1):
        await asyncio.gather(
            *(revoke_and_check(session, dice.random() * 8, dice.randrange(2)) for session in sessions)
        )
    primary = await floors.primary()
    assert primary is not None
    assert primary.epoch > 3
    assert min(heard_of) > 0
    for side in sides:
        await side.close()
