"""Rate limits: every limiter admits exactly as many attempts as the table of limits says."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from adapters.memory_rate_limiter import MemoryRateLimiter
from adapters.no_rate_limiter import NoRateLimiter
from application.ports import Reservation
from domain.client_info import ClientInfo
from domain.rate_limits import RATES, Bucket, Limit, Rate
from domain.refusals import Refusal
from entrypoints.devserver import engines
from tests.support.limiting import UNREACHABLE, Clock, LimiterHarness, ObservedRateLimiter, counting
from tests.support.store_harness import run_concurrently

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LOGIN = Bucket(Limit.LOGIN, ("ada@example.org", "203.0.113.7"))
NETWORK = Bucket(Limit.LOGIN_NETWORK, ("203.0.113.7",))
MAIL = Bucket(Limit.MAIL, ("reset", "ada@example.org", "203.0.113.7"))


@pytest.fixture(params=["process", "redis", "stand-in"])
async def limiter(
    request: pytest.FixtureRequest, valkey: engines.Valkey, redis: "Redis"
) -> AsyncIterator[LimiterHarness]:
    clock = Clock()
    if request.param == "process":
        yield LimiterHarness(MemoryRateLimiter(clock=clock), clock)
        return
    if request.param == "stand-in":
        async with counting(UNREACHABLE, clock=clock) as rate_limiter:
            yield LimiterHarness(rate_limiter, clock)
        return
    async with clock.stopped(redis), counting(valkey.url, fallback=_Broken()) as rate_limiter:
        yield LimiterHarness(rate_limiter, clock)


@pytest.mark.parametrize("limit", Limit)
async def test_limit_admits_its_exact_number(limiter: LimiterHarness, limit: Limit) -> None:
    bucket = Bucket(limit, ("one",))
    times = min(rate.times for rate in RATES[limit])
    for _ in range(times):
        await limiter.passes(bucket)
    assert (await limiter.refuses(bucket)).reason == limit
    assert await limiter.room(Bucket(limit, ("another",)), most=times + 1) == times


@pytest.mark.parametrize("limit", Limit)
async def test_attempt_passes_after_the_stated_wait_and_not_a_second_earlier(
    limiter: LimiterHarness, limit: Limit
) -> None:
    bucket = Bucket(limit, ("one",))
    rate = min(RATES[limit], key=lambda rate: rate.times)
    later = min(MINUTE, rate.per / 2)
    await limiter.passes(bucket)
    await limiter.wait(later)
    for _ in range(rate.times - 1):
        await limiter.passes(bucket)
    wait = (await limiter.refuses(bucket)).retry_after
    assert wait == (rate.per - later).total_seconds()

    await limiter.wait((wait - 1) * SECOND)
    assert (await limiter.refuses(bucket)).retry_after == 1
    await limiter.wait(SECOND)
    await limiter.passes(bucket)
    assert (await limiter.refuses(bucket)).retry_after == (later if rate.times > 1 else rate.per).total_seconds()


async def test_both_rates_of_a_limit_hold(limiter: LimiterHarness) -> None:
    for _ in range(3):
        await limiter.passes(MAIL)
    assert (await limiter.refuses(MAIL)).retry_after == 3600
    await limiter.wait(60 * MINUTE)
    for _ in range(2):
        await limiter.passes(MAIL)
    assert (await limiter.refuses(MAIL)).retry_after == 23 * 3600
    await limiter.wait(60 * MINUTE)
    assert (await limiter.refuses(MAIL)).retry_after == 22 * 3600
    await limiter.wait(22 * 60 * MINUTE)
    assert await limiter.room(MAIL) == 3


async def test_an_attempt_counts_in_every_bucket_or_in_none(limiter: LimiterHarness) -> None:
    for _ in range(10):
        await limiter.passes(LOGIN)
    for buckets in ((LOGIN, NETWORK), (NETWORK, LOGIN), (NETWORK, LOGIN, MAIL)):
        assert (await limiter.refuses(*buckets)).reason == Limit.LOGIN
    assert await limiter.room(NETWORK) == 50
    assert await limiter.room(MAIL) == 3
    await limiter.passes(NETWORK, MAIL)
    assert (await limiter.room(NETWORK), await limiter.room(MAIL)) == (49, 2)


async def test_longest_wait_of_several_full_buckets_is_reported(limiter: LimiterHarness) -> None:
    for _ in range(3):
        await limiter.passes(MAIL)
    await limiter.wait(MINUTE)
    for _ in range(10):
        await limiter.passes(LOGIN)
    for buckets in ((LOGIN, MAIL), (MAIL, LOGIN)):
        refusal = await limiter.refuses(*buckets)
        assert (refusal.retry_after, refusal.reason) == (59 * 60, Limit.MAIL)
    await limiter.wait(59 * MINUTE - SECOND)
    await limiter.refuses(LOGIN, MAIL)
    await limiter.wait(SECOND)
    await limiter.passes(LOGIN, MAIL)


async def test_refund_returns_one_attempt(limiter: LimiterHarness) -> None:
    first = await limiter.passes(LOGIN, NETWORK)
    for _ in range(9):
        await limiter.passes(LOGIN, NETWORK)
    await limiter.refuses(LOGIN, NETWORK)
    await limiter.rate_limiter.cancel(first)
    assert (await limiter.room(LOGIN), await limiter.room(NETWORK)) == (1, 41)
    await limiter.rate_limiter.cancel(first)
    await limiter.rate_limiter.cancel(Reservation((LOGIN, MAIL), "of nobody"))
    assert (await limiter.room(LOGIN), await limiter.room(NETWORK)) == (1, 41)
    await limiter.passes(LOGIN, NETWORK)
    await limiter.refuses(LOGIN, NETWORK)


async def test_reset_clears_one_bucket(limiter: LimiterHarness) -> None:
    for _ in range(10):
        await limiter.passes(LOGIN, NETWORK)
    await limiter.rate_limiter.reset(LOGIN)
    await limiter.rate_limiter.reset(MAIL)
    assert (await limiter.room(LOGIN), await limiter.room(NETWORK)) == (10, 40)


async def test_refused_attempts_are_not_counted(limiter: LimiterHarness) -> None:
    for _ in range(10):
        await limiter.passes(LOGIN)
    await limiter.wait(4 * MINUTE)
    for _ in range(50):
        await limiter.refuses(LOGIN)
    await limiter.wait(MINUTE)
    assert await limiter.room(LOGIN) == 10


async def test_attempts_are_forgotten_after_the_clock_is_set_back(limiter: LimiterHarness) -> None:
    for _ in range(10):
        await limiter.passes(LOGIN)
    await limiter.wait(timedelta(hours=-1))
    await limiter.passes(LOGIN)
    assert await limiter.room(LOGIN) == 9
    await limiter.wait(timedelta(hours=1))
    assert await limiter.room(LOGIN) == 10


async def test_of_200_concurrent_attempts_the_limit_is_admitted(limiter: LimiterHarness) -> None:
    async def attempt() -> bool:
        try:
            return bool(await limiter.rate_limiter.acquire(NETWORK, LOGIN))
        except Refusal:
            return False

    assert sum(await run_concurrently([attempt] * 200)) == 10
    assert await limiter.room(NETWORK) == 40


async def test_buckets_with_similar_keys_are_distinct(limiter: LimiterHarness) -> None:
    for _ in range(10):
        await limiter.passes(Bucket(Limit.LOGIN, ("ab", "c")))
    for other in (("a", "bc"), ("abc",), ("ab", "c", ""), ('ab","c',), ("ab,c",), ("",), ()):
        assert await limiter.room(Bucket(Limit.LOGIN, other)) == 10
    assert await limiter.room(Bucket(Limit.LOGIN_NETWORK, ("ab", "c"))) == 50


@pytest.mark.parametrize("name", ["", "\0", "\ud800", "\udfff\ud800", "ä" * 254, "\n\r"])
async def test_any_text_can_be_a_bucket(limiter: LimiterHarness, name: str) -> None:
    bucket = Bucket(Limit.LOGIN, (name, ""))
    for _ in range(RATES[Limit.LOGIN][0].times):
        await limiter.passes(bucket)
    assert (await limiter.refuses(bucket)).reason == Limit.LOGIN


async def test_addresses_of_one_site_share_a_bucket(limiter: LimiterHarness) -> None:
    for number in range(10):
        for ip in (f"2001:db8:1:2:{number:x}::{number:x}", "203.0.113.7", "::ffff:203.0.113.7"):
            if (number % 2 == 0) is (ip != "203.0.113.7") or ip.startswith("2001"):
                await limiter.passes(Bucket(Limit.LOGIN, ("ada", ClientInfo(ip=ip).network)))
    for ip in ("2001:db8:1:2:ffff:ffff:ffff:ffff", "203.0.113.7", "::ffff:203.0.113.7"):
        await limiter.refuses(Bucket(Limit.LOGIN, ("ada", ClientInfo(ip=ip).network)))
    for ip in ("2001:db8:1:3::1", "203.0.113.8", ""):
        assert await limiter.room(Bucket(Limit.LOGIN, ("ada", ClientInfo(ip=ip).network))) == 10


# -- against a model --------------------------------------------------------------------------------------

RULES = {
    Limit.LOGIN: (Rate(2, 3 * SECOND),),
    Limit.LINK: (Rate(1, 2 * SECOND), Rate(2, 5 * SECOND), Rate(3, 9 * SECOND)),
    Limit.MAIL: (Rate(3, 6 * SECOND), Rate(4, 7 * SECOND)),
}
BUCKETS = [Bucket(limit, (who,)) for limit in (Limit.LOGIN, Limit.LINK, Limit.MAIL) for who in ("ada", "bob")]


class Model:
    """The simplest limiter: it remembers every admitted attempt and counts back from now."""

    def __init__(self) -> None:
        self.now = 0 * SECOND
        self.passed: dict[Bucket, list[tuple[timedelta, int]]] = defaultdict(list)

    def full(self, bucket: Bucket) -> bool:
        ages = [self.now - at for at, _ in self.passed[bucket]]
        return any(sum(age < rate.per for age in ages) >= rate.times for rate in RULES[bucket.limit])

    def wait(self, buckets: tuple[Bucket, ...]) -> timedelta:
        """The wait until no bucket is full, found second by second."""
        began = self.now
        while any(map(self.full, buckets)):
            self.now += SECOND
        waited, self.now = self.now - began, began
        return waited


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("spend"), st.lists(st.sampled_from(BUCKETS), min_size=1, max_size=3, unique=True)),
        st.tuples(st.just("wait"), st.integers(1, 6)),
        st.tuples(st.just("refund"), st.integers(0, 30)),
        st.tuples(st.just("forget"), st.sampled_from(BUCKETS)),
    ),
    max_size=40,
)


async def follows_the_model(limiter: LimiterHarness, steps: list[tuple[str, object]]) -> None:
    model, reservations = Model(), list[Reservation]()
    for verb, what in steps:
        if verb == "spend" and isinstance(what, list):
            wait = model.wait(tuple(what))
            if wait:
                assert (await limiter.refuses(*what)).retry_after == wait.total_seconds()
                continue
            for bucket in what:
                model.passed[bucket].append((model.now, len(reservations)))
            reservations.append(await limiter.passes(*what))
        if verb == "wait" and isinstance(what, int):
            model.now += what * SECOND
            await limiter.wait(what * SECOND)
        if verb == "refund" and isinstance(what, int) and reservations:
            number = what % len(reservations)
            for bucket in BUCKETS:
                model.passed[bucket] = [it for it in model.passed[bucket] if it[1] != number]
            await limiter.rate_limiter.cancel(reservations[number])
        if verb == "forget" and isinstance(what, Bucket):
            model.passed[what].clear()
            await limiter.rate_limiter.reset(what)


@given(steps=STEPS)
@settings(max_examples=150)
def test_memory_limiter_follows_the_model(steps: list[tuple[str, object]]) -> None:
    clock = Clock()
    asyncio.run(follows_the_model(LimiterHarness(MemoryRateLimiter(clock=clock, rates=RULES), clock), steps))


@given(steps=STEPS)
@settings(max_examples=60)
def test_redis_limiter_follows_the_model(valkey: engines.Valkey, steps: list[tuple[str, object]]) -> None:
    async def run() -> None:
        client = Redis.from_url(valkey.url)
        await client.flushall()
        clock = Clock()
        async with clock.stopped(client), counting(valkey.url, rates=RULES, fallback=_Broken()) as rate_limiter:
            await follows_the_model(LimiterHarness(rate_limiter, clock), steps)
        await client.aclose()

    asyncio.run(run())


class _Broken(MemoryRateLimiter):
    """A fallback that must not be used."""

    def __init__(self) -> None:
        super().__init__(clock=Clock())

    async def acquire(self, *buckets: Bucket) -> Reservation:
        raise AssertionError("Redis was not asked, or did not answer")


# -- one process ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("processes", "passing"), [(1, 10), (2, 5), (3, 3), (10, 1), (99, 1)])
async def test_processes_share_a_limit_with_at_least_one_each(processes: int, passing: int) -> None:
    clock = Clock()
    assert await LimiterHarness(MemoryRateLimiter(clock=clock, processes=processes), clock).room(LOGIN) == passing


async def test_memory_limiter_drops_the_least_recently_used_buckets() -> None:
    clock = Clock()
    rate_limiter = ObservedRateLimiter(clock=clock, most=100)
    limiter = LimiterHarness(rate_limiter, clock)
    for _ in range(10):
        await limiter.passes(LOGIN)
    for number in range(85):
        await limiter.passes(Bucket(Limit.LINK, (str(number),)))
    assert await limiter.room(LOGIN) == 0
    for number in range(85, 100):
        await limiter.passes(Bucket(Limit.LINK, (str(number),)))
    assert await limiter.room(LOGIN) == 10
    assert rate_limiter.sizes()[0] <= 100


async def test_expired_attempts_are_dropped() -> None:
    clock = Clock()
    rate_limiter = ObservedRateLimiter(clock=clock)
    limiter = LimiterHarness(rate_limiter, clock)
    reservation = await limiter.passes(LOGIN, NETWORK)
    await limiter.wait(5 * MINUTE)
    await limiter.rate_limiter.cancel(reservation)
    assert rate_limiter.sizes() == (0, 0)
    for _ in range(40):
        await limiter.passes(LOGIN)
        await limiter.wait(MINUTE)
    assert rate_limiter.sizes() == (5, 1)
    await limiter.rate_limiter.reset(LOGIN)
    assert rate_limiter.sizes() == (0, 0)


# -- disabled ---------------------------------------------------------------------------------------------


async def test_disabled_limits_admit_everything() -> None:
    rate_limiter = NoRateLimiter()
    for _ in range(1000):
        reservation = await rate_limiter.acquire(LOGIN, NETWORK)
    await rate_limiter.cancel(reservation)
    await rate_limiter.reset(LOGIN)
