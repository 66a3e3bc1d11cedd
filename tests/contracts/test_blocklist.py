"""The blocklist on real servers: it may be unable to answer, but an answer is always complete.

`test_lease.py` tests its decisions in a simulation."""

import asyncio
import contextlib
import random
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from redis.asyncio import Redis

from adapters.memory.revocations import MemoryBlocklist, MemoryRevocationStore
from adapters.memory.session_renewals import MemoryRenewals
from adapters.memory.unit_of_work import MemoryStore
from adapters.postgres.database import Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from adapters.redis.blocklist import RedisBlocklist
from adapters.revocations import Blocklist, RevocationStore
from domain.refusals import ErrorCode, Refusal, unavailable
from domain.session import ENDED, EndReason
from entrypoints.devserver import engines
from entrypoints.http.lifespan import repeat
from tests.support.blocklists import HORIZON, LEASE_KEY, FakeRevocationStore, gone, renewing, revocation_key, trusted
from tests.support.store_harness import LATER, NOW, SpyingBlocklist, StoreHarness, new_id, wait_until
from tests.support.tcp_proxy import proxy

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def open_blocklist(
    url: str, store: RevocationStore, *, horizon: timedelta = HORIZON, lease: float = 1.0, deadline: float = 0.2
) -> AsyncIterator[RedisBlocklist]:
    blocklist = RedisBlocklist(url, store=store, horizon=horizon, lease=lease, deadline=deadline)
    try:
        yield blocklist
    finally:
        await blocklist.close()


@contextlib.asynccontextmanager
async def paused_renewal(store: FakeRevocationStore, blocklist: RedisBlocklist) -> AsyncIterator[None]:
    """Starts a renewal that pauses while it reads the store, until the block ends."""
    reading, store.go_on = asyncio.Event(), asyncio.Event()
    store.reading = reading
    going = asyncio.create_task(blocklist.renew())
    await reading.wait()
    store.reading = None
    yield
    store.go_on.set()
    await going


async def now_of(redis: "Redis") -> int:
    seconds, micros = await redis.time()
    return seconds * 1000 + micros // 1000


@pytest.fixture
def store() -> FakeRevocationStore:
    return FakeRevocationStore()


@pytest.fixture
async def blocklist(
    redis: "Redis", valkey: engines.Valkey, store: FakeRevocationStore
) -> AsyncIterator[RedisBlocklist]:
    """A blocklist on an empty Redis, before the first renewal."""
    async with open_blocklist(valkey.url, store, deadline=1.0) as opened_blocklist:
        yield opened_blocklist


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[engines.Valkey]:
    with engines.valkey(tmp_path / "valkey") as started:
        yield started


@pytest.fixture(params=["memory", "redis"])
async def any_blocklist(request: pytest.FixtureRequest, blocklist: RedisBlocklist) -> Blocklist:
    if request.param == "memory":
        return MemoryBlocklist()
    await blocklist.renew()
    return blocklist


# -- what every blocklist does ----------------------------------------------------------------------------


async def test_published_revocations_are_returned_and_nothing_else(any_blocklist: Blocklist) -> None:
    ended, outdated, other = new_id(), new_id(), new_id()
    await any_blocklist.publish({ended: ENDED, outdated: 3})
    assert await any_blocklist.min_generations([ended, outdated, other]) == {ended: ENDED, outdated: 3}
    assert await any_blocklist.min_generations([other]) == {}
    assert await any_blocklist.min_generations([]) == {}


async def test_a_minimum_generation_never_decreases(any_blocklist: Blocklist) -> None:
    session = new_id()
    for floor, stands in ((3, 3), (2, 3), (4, 4), (ENDED, ENDED), (5, ENDED)):
        await any_blocklist.publish({session: floor})
        assert await any_blocklist.min_generations([session]) == {session: stands}


async def test_the_highest_of_concurrent_publications_is_kept(any_blocklist: Blocklist) -> None:
    session = new_id()
    floors = list(range(1, 60))
    random.Random(3).shuffle(floors)
    await asyncio.gather(*(any_blocklist.publish({session: floor}) for floor in floors))
    assert await any_blocklist.min_generations([session]) == {session: 59}


async def test_publishing_nothing_changes_nothing(any_blocklist: Blocklist) -> None:
    await any_blocklist.publish({})
    assert await any_blocklist.min_generations([new_id()]) == {}


# -- Redis is trusted only while it is complete -----------------------------------------------------------


async def test_there_is_no_answer_before_the_first_renewal(blocklist: RedisBlocklist) -> None:
    session = new_id()
    await blocklist.publish({session: ENDED})
    assert await blocklist.min_generations([session]) is None
    await blocklist.renew()
    assert await blocklist.min_generations([session]) == {session: ENDED}


async def test_the_first_renewal_backfills_the_horizon(blocklist: RedisBlocklist, store: FakeRevocationStore) -> None:
    recent, old = new_id(), new_id()
    store.end(recent, at=LATER - HORIZON)
    store.end(old, at=LATER - HORIZON - timedelta(microseconds=1))
    store.news.clear()
    await blocklist.renew()
    assert await blocklist.min_generations([recent, old]) == {recent: ENDED}


async def test_a_renewal_publishes_pending_revocations(
    blocklist: RedisBlocklist, store: FakeRevocationStore, redis: "Redis"
) -> None:
    await blocklist.renew()
    store.end(session := new_id())
    await redis.pexpire(LEASE_KEY, 400)
    await blocklist.renew()
    assert await blocklist.min_generations([session]) == {session: ENDED}
    assert store.news == {}


async def test_a_session_revoked_further_during_a_renewal_stays_pending(
    blocklist: RedisBlocklist, store: FakeRevocationStore, redis: "Redis"
) -> None:
    await blocklist.renew()
    await redis.pexpire(LEASE_KEY, 400)
    store.end(session := new_id(), min_generation=2)
    async with paused_renewal(store, blocklist):
        store.end(session)
    assert await redis.get(revocation_key(session)) == b"2"
    assert store.news == {session: ENDED}


async def test_entries_expire_after_the_horizon(
    valkey: engines.Valkey, redis: "Redis", store: FakeRevocationStore
) -> None:
    async with open_blocklist(valkey.url, store, horizon=timedelta(milliseconds=1500), deadline=1.0) as blocklist:
        await blocklist.renew()
        await blocklist.publish({(session := new_id()): ENDED})
        assert 0 < await redis.pttl(revocation_key(session)) <= 1500
        await gone(redis, revocation_key(session))
        await blocklist.renew()
        assert await blocklist.min_generations([session]) == {}


async def test_only_ids_and_numbers_are_stored(
    blocklist: RedisBlocklist, store: FakeRevocationStore, redis: "Redis"
) -> None:
    store.end(new_id())
    await blocklist.renew()
    await blocklist.publish({new_id(): ENDED, new_id(): 4})
    keys = [key.decode() async for key in redis.scan_iter()]
    assert len(keys) >= 4
    for key in keys:
        name, _, rest = key.removeprefix("{latchkey}:").partition(":")
        assert name in {"complete", "floor", "witness"}
        assert rest == "" if name == "complete" else UUID(hex=rest)
        content = await redis.get(key)
        assert isinstance(content, bytes)
        assert re.fullmatch(rb"[0-9a-f]{40}:1", content) if name == "complete" else int(content) >= 1
        assert await redis.pttl(key) > 0


async def test_an_emptied_redis_is_untrusted_until_it_is_complete(
    blocklist: RedisBlocklist, store: FakeRevocationStore, redis: "Redis"
) -> None:
    await blocklist.renew()
    store.end(session := new_id())
    await blocklist.publish({session: ENDED})
    await store.mark_published({session: ENDED})
    await redis.flushall()
    assert await blocklist.min_generations([session]) is None
    await blocklist.renew()
    assert await blocklist.min_generations([session]) == {session: ENDED}


@pytest.mark.parametrize("first", [True, False], ids=["first renewal", "later renewal"])
async def test_a_redis_emptied_during_a_renewal_gets_no_lease(
    blocklist: RedisBlocklist, store: FakeRevocationStore, redis: "Redis", first: bool
) -> None:
    store.end(session := new_id())
    if not first:
        await blocklist.renew()
        store.end(new_id())
        await redis.pexpire(LEASE_KEY, 400)
    async with paused_renewal(store, blocklist):
        await redis.flushall()
    assert await blocklist.min_generations([session]) in (None, {session: ENDED})
    assert not await redis.exists(LEASE_KEY) or await redis.exists(revocation_key(session))
    await trusted(blocklist)
    assert await blocklist.min_generations([session]) == {session: ENDED}


async def test_a_late_renewal_extends_by_a_lease_since_it_read_the_clock(
    valkey: engines.Valkey, redis: "Redis", store: FakeRevocationStore
) -> None:
    async with open_blocklist(valkey.url, store, lease=0.5, deadline=1.0) as blocklist:
        await blocklist.renew()
        await redis.pexpire(LEASE_KEY, 200)
        async with paused_renewal(store, blocklist):
            looked = await now_of(redis)
        assert 0 < await redis.pexpiretime(LEASE_KEY) <= looked + 500

        await redis.pexpire(LEASE_KEY, 200)
        async with paused_renewal(store, blocklist):
            await gone(redis, LEASE_KEY)
            await asyncio.sleep(0.6)
        assert not await redis.exists(LEASE_KEY)
        store.end(session := new_id())
        assert await blocklist.min_generations([session]) is None


async def test_a_lease_of_excessive_length_is_renewed_at_its_usual_length(
    blocklist: RedisBlocklist, store: FakeRevocationStore, redis: "Redis"
) -> None:
    await blocklist.renew()
    await redis.pexpire(LEASE_KEY, 3_600_000)
    store.end(session := new_id())
    await blocklist.renew()
    assert await redis.pttl(LEASE_KEY) <= 1000
    assert await blocklist.min_generations([session]) == {session: ENDED}


async def test_an_unavailable_store_is_reported_and_grants_no_lease(
    blocklist: RedisBlocklist, store: FakeRevocationStore, redis: "Redis"
) -> None:
    store.trouble = unavailable("The database")
    with pytest.raises(Refusal) as refused:
        await blocklist.renew()
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert not await redis.exists(LEASE_KEY)
    assert await blocklist.min_generations([]) is None


# -- errors that Redis may give ---------------------------------------------------------------------------


async def test_a_redis_with_an_eviction_policy_is_untrusted(
    own_valkey: engines.Valkey, store: FakeRevocationStore
) -> None:
    client = Redis.from_url(own_valkey.url)
    async with open_blocklist(own_valkey.url, store, deadline=1.0) as blocklist:
        await trusted(blocklist)
        await client.config_set("maxmemory", "100mb")
        await client.config_set("maxmemory-policy", "volatile-lru")
        await blocklist.renew()
        assert await blocklist.min_generations([]) is None
        await client.config_set("maxmemory-policy", "noeviction")
        await blocklist.renew()
        assert await blocklist.min_generations([]) == {}
    await client.aclose()


async def test_a_full_redis_is_untrusted_and_a_publication_waits(
    own_valkey: engines.Valkey, store: FakeRevocationStore
) -> None:
    client = Redis.from_url(own_valkey.url)
    async with open_blocklist(own_valkey.url, store, deadline=1.0) as blocklist:
        await trusted(blocklist)
        await client.config_set("maxmemory", "1")
        await blocklist.publish({new_id(): ENDED})
        assert not await client.exists(LEASE_KEY)
        await blocklist.renew()
        assert await blocklist.min_generations([]) is None
        await client.config_set("maxmemory", "0")
        await trusted(blocklist)
    await client.aclose()


async def test_a_replica_is_untrusted(
    own_valkey: engines.Valkey, valkey: engines.Valkey, store: FakeRevocationStore
) -> None:
    client = Redis.from_url(own_valkey.url)
    async with open_blocklist(own_valkey.url, store, deadline=1.0) as blocklist:
        await trusted(blocklist)
        await client.config_set("masterauth", valkey.password)
        await client.replicaof("127.0.0.1", valkey.port)
        await blocklist.renew()
        assert await blocklist.min_generations([]) is None
        await client.replicaof("NO", "ONE")
        await trusted(blocklist)
    await client.aclose()


@pytest.mark.parametrize("kind", ["list", "word"])
async def test_entries_that_are_not_numbers_are_untrusted(
    blocklist: RedisBlocklist, store: FakeRevocationStore, redis: "Redis", kind: str
) -> None:
    await blocklist.renew()
    store.end(session := new_id())
    if kind == "list":
        await redis.lpush(revocation_key(session), 1)
    else:
        await redis.set(revocation_key(session), "word")
        assert await blocklist.min_generations([session]) is None
    await redis.pexpire(LEASE_KEY, 300)
    await blocklist.renew()
    assert await blocklist.min_generations([session]) is None
    await blocklist.publish({session: ENDED})
    assert not await redis.exists(LEASE_KEY)
    await redis.delete(revocation_key(session))
    await trusted(blocklist)
    assert await blocklist.min_generations([session]) == {session: ENDED}


async def test_a_refused_connection_gives_no_answer(own_valkey: engines.Valkey, store: FakeRevocationStore) -> None:
    wrong = own_valkey.url.replace(own_valkey.password, "wrong")
    unreachable = own_valkey.url.replace(str(own_valkey.port), "1")
    for url in (wrong, unreachable):
        async with open_blocklist(url, store) as blocklist:
            await blocklist.renew()
            assert await blocklist.min_generations([new_id()]) is None
            await blocklist.publish({new_id(): ENDED})
            assert not await blocklist.is_healthy()


# -- a Redis that dies, and comes back with less ----------------------------------------------------------


@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "unnoticed"])
@pytest.mark.parametrize("memory", ["kept", "emptied", "older"])
async def test_a_killed_redis_is_untrusted_until_it_is_complete(
    own_valkey: engines.Valkey, store: FakeRevocationStore, memory: str, noticed: bool
) -> None:
    data, copy = own_valkey.folder / "appendonlydir", own_valkey.folder / "copy"
    async with open_blocklist(own_valkey.url, store, lease=600, deadline=1.0) as blocklist:
        # A lease this long survives the crash, as a usual one would within a second.
        await trusted(blocklist)
        client = Redis.from_url(own_valkey.url)
        await client.config_set("appendfsync", "always")
        await client.incr("written")
        shutil.copytree(data, copy)
        store.end(session := new_id())
        await blocklist.publish({session: ENDED})
        await store.mark_published({session: ENDED})
        await client.aclose()
        assert await blocklist.min_generations([session]) == {session: ENDED}

        own_valkey.kill()
        if noticed:
            assert await blocklist.min_generations([session]) is None
            await blocklist.renew()
            assert await blocklist.min_generations([session]) is None
        if memory != "kept":
            shutil.rmtree(data)
        if memory == "older":
            copy.rename(data)
        own_valkey.start()
        store.current_primary = None  # as if there were no former primary, whose lease would live for ten minutes

        client = Redis.from_url(own_valkey.url)
        assert await client.exists(LEASE_KEY) == (memory != "emptied")
        assert await client.exists(revocation_key(session)) == (memory == "kept")
        await client.aclose()
        assert await blocklist.min_generations([session]) is None
        await trusted(blocklist)
        assert await blocklist.min_generations([session]) == {session: ENDED}


async def with_password_of(own_valkey: engines.Valkey, valkey: engines.Valkey) -> str:
    """The URL of `own_valkey`, which now accepts the password of `valkey`."""
    client = Redis.from_url(own_valkey.url)
    await client.config_set("requirepass", valkey.password)
    await client.aclose()
    return own_valkey.url.replace(own_valkey.password, valkey.password)


async def test_another_server_at_the_address_is_untrusted_even_with_a_lease(
    own_valkey: engines.Valkey, valkey: engines.Valkey, redis: "Redis", store: FakeRevocationStore
) -> None:
    url = await with_password_of(own_valkey, valkey)
    async with proxy(url) as wire, open_blocklist(wire.url, store, deadline=1.0) as blocklist:
        await trusted(blocklist)
        store.end(session := new_id())
        await blocklist.publish({session: ENDED})
        await store.mark_published({session: ENDED})
        await redis.set(LEASE_KEY, 1)
        wire.point_at(valkey.url)
        await asyncio.sleep(0.1)  # the connection is closed by now, so the next query opens another
        assert await blocklist.min_generations([session]) is None
        await trusted(blocklist)
        assert await blocklist.min_generations([session]) == {session: ENDED}


async def test_a_server_replaced_during_a_renewal_gets_no_lease(
    own_valkey: engines.Valkey, valkey: engines.Valkey, redis: "Redis", store: FakeRevocationStore
) -> None:
    url = await with_password_of(own_valkey, valkey)
    async with proxy(url) as wire, open_blocklist(wire.url, store, deadline=1.0) as blocklist:
        store.end(session := new_id())
        await trusted(blocklist)
        old = Redis.from_url(url)
        await old.pexpire(LEASE_KEY, 400)
        async with paused_renewal(store, blocklist):
            async for key in old.scan_iter("{latchkey}:witness:*"):
                canary = await old.get(key)
                assert isinstance(canary, bytes)
                await redis.set(key, canary)  # as replication would have carried it over
            wire.point_at(valkey.url)
        await old.aclose()
        assert not await redis.exists(LEASE_KEY)
        assert await blocklist.min_generations([session]) is None
        await trusted(blocklist)
        assert await blocklist.min_generations([session]) == {session: ENDED}


# -- a Redis that does not answer -------------------------------------------------------------------------


async def test_a_silent_redis_is_untrusted_until_it_answers(
    valkey: engines.Valkey, redis: "Redis", store: FakeRevocationStore
) -> None:
    async with proxy(valkey.url) as wire, open_blocklist(wire.url, store) as blocklist:
        await trusted(blocklist)
        wire.cut()
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*(blocklist.min_generations([new_id()]) for _ in range(100)))
        assert answers == [None] * 100
        async with asyncio.timeout(5):
            await blocklist.renew()
            assert not await blocklist.is_healthy()
        assert await blocklist.min_generations([]) is None
        wire.mend()
        await trusted(blocklist)
        assert await blocklist.is_healthy()


async def test_a_publication_without_an_answer_waits_for_the_lease_to_expire(
    valkey: engines.Valkey, redis: "Redis", store: FakeRevocationStore
) -> None:
    async with (
        proxy(valkey.url) as wire,
        open_blocklist(wire.url, store) as deaf,
        open_blocklist(valkey.url, store, deadline=1.0) as other,
    ):
        for _ in range(3):
            await trusted(deaf)
            await redis.delete(LEASE_KEY)
            await other.renew()
            wire.cut()
            assert await redis.exists(LEASE_KEY)
            await deaf.publish({new_id(): ENDED})
            assert not await redis.exists(LEASE_KEY)
            wire.mend()


async def test_revocations_of_a_disconnected_process_are_in_force_everywhere(
    database: Database, valkey: engines.Valkey, redis: "Redis"
) -> None:
    revocation_store = PostgresRevocationStore(database)
    async with (
        proxy(valkey.url) as wire,
        open_blocklist(wire.url, revocation_store) as cut_off,
        open_blocklist(valkey.url, revocation_store, deadline=1.0) as other,
    ):
        store = PostgresStore(database, blocklist=cut_off, nudge=lambda _: None)
        harness = StoreHarness(store, PostgresRenewals(database), revocation_store, SpyingBlocklist(), [])
        user = await harness.user()
        await trusted(cut_off)
        wire.cut()

        async def revoke_and_check(delay: float) -> None:
            session = await harness.session(user)
            await asyncio.sleep(delay)
            async with store.begin() as work:
                await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT)
            for _ in range(50):
                assert await other.min_generations([session.id]) in ({session.id: ENDED}, None)
                await asyncio.sleep(0.01)

        async with renewing(other):
            await asyncio.gather(*(revoke_and_check(number * 0.07) for number in range(20)))

            async def all_are_published() -> bool:
                return not await revocation_store.pending()

            await wait_until(all_are_published, within=5)
            assert await other.min_generations([]) == {}


# -- many callers -----------------------------------------------------------------------------------------


async def test_concurrent_callers_share_batches(blocklist: RedisBlocklist, redis: "Redis") -> None:
    await blocklist.renew()
    await redis.config_resetstat()
    ended = [new_id() for _ in range(100)]
    await asyncio.gather(*(blocklist.publish({session: ENDED}) for session in ended))
    answers = await asyncio.gather(*(blocklist.min_generations([session]) for session in ended * 5))
    assert answers == [{session: ENDED} for session in ended * 5]
    stats = await redis.info("commandstats")
    assert stats["cmdstat_mget"]["calls"] <= 2
    assert stats["cmdstat_eval"]["calls"] <= 3


async def test_random_cancellations_do_not_mix_up_answers(
    valkey: engines.Valkey, redis: "Redis", store: FakeRevocationStore
) -> None:
    dice, floors = random.Random(5), {new_id(): floor for floor in range(1, 200)}
    sessions = list(floors)
    async with open_blocklist(valkey.url, store, lease=60, deadline=10) as blocklist:
        await blocklist.renew()
        await blocklist.publish(floors)

        async def ask(session: UUID) -> None:
            assert await blocklist.min_generations([session]) == {session: floors[session]}

        async def publish(session: UUID) -> None:
            await blocklist.publish({session: floors[session]})

        async def check_health(_: UUID) -> None:
            assert await blocklist.is_healthy()

        calls: list[asyncio.Task[None]] = []
        for _ in range(3000):
            doing = dice.choices((ask, publish, check_health), (80, 15, 5))[0]
            calls.append(asyncio.create_task(doing(dice.choice(sessions))))
            if dice.random() < 0.3:
                await asyncio.sleep(dice.choice((0, 0, 0.0005)))
            if dice.random() < 0.6:
                dice.choice(calls[-6:]).cancel()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(end, asyncio.CancelledError) for end in ends) > 1000
        assert [end for end in ends if end is not None and not isinstance(end, asyncio.CancelledError)] == []
        assert await blocklist.min_generations(sessions) == floors
        ours = [client for client in await redis.client_list() if client["cmd"] != "client|list"]
        assert len(ours) <= 1


async def test_a_renewal_can_be_cancelled_at_any_moment(
    valkey: engines.Valkey, redis: "Redis", store: FakeRevocationStore
) -> None:
    dice = random.Random(9)
    async with open_blocklist(valkey.url, store, lease=0.02, deadline=1.0) as blocklist:
        for _ in range(300):
            async with asyncio.timeout(10), renewing(blocklist, every=0):
                await asyncio.sleep(dice.random() * 0.01)


async def test_closing_waits_for_the_renewal_in_progress(
    valkey: engines.Valkey, redis: "Redis", store: FakeRevocationStore
) -> None:
    async with open_blocklist(valkey.url, store, deadline=1.0) as blocklist:
        async with paused_renewal(store, blocklist):
            closing = asyncio.create_task(blocklist.close())
            await asyncio.sleep(0.05)
            assert not closing.done()
        await closing
    assert await redis.exists(LEASE_KEY)
    assert len(await redis.client_list()) == 1


async def test_the_stores_in_memory_and_postgresql_make_the_same_copy(
    blocklist: RedisBlocklist, store: FakeRevocationStore, database: Database, valkey: engines.Valkey, redis: "Redis"
) -> None:
    for kind in ("memory", "postgres"):
        await redis.flushall()
        spy = SpyingBlocklist()
        if kind == "memory":
            memory = MemoryStore(blocklist=spy, nudge=lambda _: None)
            harness = StoreHarness(memory, MemoryRenewals(memory), MemoryRevocationStore(memory), spy, [])
        else:
            postgres = PostgresStore(database, blocklist=spy, nudge=lambda _: None)
            harness = StoreHarness(postgres, PostgresRenewals(database), PostgresRevocationStore(database), spy, [])
        user = await harness.user()
        sessions = [await harness.session(user) for _ in range(3)]
        async with harness.begin() as work:
            await work.sessions.revoke_access_tokens(user.id)
            await work.sessions.end(sessions[0].id, now=NOW, reason=EndReason.LOGOUT)
        async with open_blocklist(valkey.url, harness.revocations, deadline=1.0) as copy:
            await copy.renew()
            assert await copy.min_generations([session.id for session in sessions]) == {
                sessions[0].id: ENDED,
                sessions[1].id: 2,
                sessions[2].id: 2,
            }
        assert await harness.revocations.pending() == {}


async def test_the_renewal_task_survives_errors_until_it_is_stopped(
    blocklist: RedisBlocklist, store: FakeRevocationStore, redis: "Redis"
) -> None:
    async def is_trusted() -> bool:
        return await blocklist.min_generations([]) is not None

    store.trouble = RuntimeError("unexpected")
    with structlog.testing.capture_logs() as logs:
        renewal = asyncio.create_task(repeat(blocklist.renew, interval=0.02, failure="renewal_failed"))
        await wait_until(lambda: bool(logs), within=10)
        assert not await is_trusted()
        store.trouble = None
        await wait_until(is_trusted, within=10)
    assert {it["event"] for it in logs} == {"renewal_failed"}
    renewal.cancel()
    await gone(redis, LEASE_KEY)
    assert not await is_trusted()
