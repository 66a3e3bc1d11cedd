"""Attempts are counted in Redis by all processes together, without identities, and an outage refuses no request."""

import asyncio
import json
import logging
import random
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.memory_rate_limiter import MemoryRateLimiter
from adapters.redis.rate_limiter import RedisRateLimiter
from application.ports import RateLimiter, Reservation
from domain.rate_limits import RATES, Bucket, Limit
from domain.refusals import Refusal
from entrypoints.devserver import engines
from tests.support.limiting import KEYS, SECRET, UNREACHABLE, Clock, LimiterHarness, counting, refused
from tests.support.tcp_proxy import proxy

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
ADA = "ada.lovelace@example.org"
LOGIN = Bucket(Limit.LOGIN, (ADA, "203.0.113.77"))
NETWORK = Bucket(Limit.LOGIN_NETWORK, ("203.0.113.77",))


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[engines.Valkey]:
    with engines.valkey(tmp_path / "valkey") as started:
        yield started


class CountingFallback(MemoryRateLimiter):
    """A fallback that counts how often it is used."""

    def __init__(self, processes: int = 1) -> None:
        super().__init__(clock=Clock(), processes=processes)
        self.asked = 0

    async def acquire(self, *buckets: Bucket) -> Reservation:
        self.asked += 1
        return await super().acquire(*buckets)


# -- stored data ------------------------------------------------------------------------------------------


async def test_redis_holds_no_identity_and_everything_expires(valkey: engines.Valkey, redis: "Redis") -> None:
    async with counting(valkey.url) as rate_limiter:
        for limit in Limit:
            reservation = await rate_limiter.acquire(Bucket(limit, (ADA, "203.0.113.77", "2001:db8:1:2::/64")))
            await rate_limiter.acquire(Bucket(limit, (ADA,)))
        await rate_limiter.cancel(reservation)
    keys = [key async for key in redis.scan_iter()]
    assert len(keys) == 2 * len(Limit) - 1
    for key in keys:
        match = re.fullmatch(r"\{latchkey\}:limit:([a-z_]+):[0-9a-f]{32}", key.decode())
        assert match is not None, key
        longest = max(rate.per for rate in RATES[Limit(match[1])]) / timedelta(milliseconds=1)
        assert longest - 60_000 < await redis.pttl(key) <= longest + 1
        for mark in await redis.zrange(key, 0, -1):
            assert isinstance(mark, bytes)
            assert re.fullmatch(rb"[0-9a-f]{16}", mark)


async def test_keys_depend_on_the_secret_and_a_new_secret_resets_counts(
    valkey: engines.Valkey, redis: "Redis"
) -> None:
    for secret in (SECRET, SECRET[::-1]):
        async with counting(valkey.url, secret=secret) as rate_limiter:
            assert await LimiterHarness(rate_limiter, Clock()).room(LOGIN) == 10
            await rate_limiter.acquire(LOGIN)
    assert len(await redis.keys(KEYS)) == 2


async def test_bucket_stores_no_more_than_needed(valkey: engines.Valkey, redis: "Redis") -> None:
    bucket, clock = Bucket(Limit.MAIL, (ADA,)), Clock()
    async with clock.stopped(redis), counting(valkey.url) as rate_limiter:
        for _ in range(12):
            await rate_limiter.acquire(bucket)
            await clock.move(timedelta(hours=5))
            await LimiterHarness(rate_limiter, clock).room(bucket)
        [key] = await redis.keys(KEYS)
        assert await redis.zcard(key) <= 5


# -- concurrency ------------------------------------------------------------------------------------------

SCRIPT = """
import asyncio, sys
from domain.rate_limits import Bucket, Limit
from domain.refusals import Refusal
from tests.support.limiting import counting

async def main(url):
    async with counting(url) as limits:
        async def attempt():
            try:
                return bool(await limits.acquire(Bucket(Limit.LOGIN, ("ada",)), Bucket(Limit.LINK, ("there",))))
            except Refusal:
                return False
        print("ready", flush=True)
        sys.stdin.readline()
        print(sum(await asyncio.gather(*(attempt() for _ in range(100)))), flush=True)

asyncio.run(main(sys.argv[1]))
"""


async def test_of_200_attempts_in_two_processes_the_limit_is_admitted(valkey: engines.Valkey, redis: "Redis") -> None:
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-c", SCRIPT, valkey.url]
    both = [await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    said = await asyncio.gather(*(process.communicate(b"go\n") for process in both))
    assert sum(int(passed) for passed, _ in said) == 10


async def test_concurrent_callers_share_round_trips_and_one_connection(
    valkey: engines.Valkey, redis: "Redis"
) -> None:
    async with counting(valkey.url) as rate_limiter:
        await rate_limiter.acquire(LOGIN)
        buckets = [Bucket(Limit.LOGIN, (str(number % 40),)) for number in range(400)]
        reservations = await asyncio.gather(*(rate_limiter.acquire(bucket) for bucket in buckets))
        assert [reservation.buckets[0] for reservation in reservations] == buckets
        assert len(await redis.client_list()) == 2


async def test_cancelled_callers_do_not_affect_others(valkey: engines.Valkey, redis: "Redis") -> None:
    dice = random.Random(7)
    counter = CountingFallback()
    async with counting(valkey.url, fallback=counter) as rate_limiter:

        async def attempt(bucket: Bucket) -> None:
            reservation = await rate_limiter.acquire(bucket)
            assert reservation.buckets == (bucket,)
            await rate_limiter.cancel(reservation)

        calls: list[asyncio.Task[None]] = []
        for number in range(1000):
            bucket = Bucket(Limit.REGISTER, (str(number % 10),))
            calls.append(asyncio.create_task(attempt(bucket)))
            if dice.random() < 0.3:
                await asyncio.sleep(dice.choice((0, 0, 0.0005)))
            if dice.random() < 0.6:
                dice.choice(calls[-6:]).cancel()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(end, asyncio.CancelledError) for end in ends) > 300
        assert [end for end in ends if end is not None and not isinstance(end, asyncio.CancelledError)] == []
        assert counter.asked == 0


async def test_caller_cancelled_before_the_answer_is_counted(valkey: engines.Valkey, redis: "Redis") -> None:
    async with counting(valkey.url) as rate_limiter:
        for _ in range(10):
            leaving = asyncio.create_task(rate_limiter.acquire(LOGIN))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
        await rate_limiter.reset(NETWORK)  # commands in progress have finished
        await refused(rate_limiter, LOGIN)


# -- outages ----------------------------------------------------------------------------------------------


async def admits_exactly(rate_limiter: RateLimiter, times: int) -> None:
    """Assert that exactly this many attempts are admitted."""
    limiter = LimiterHarness(rate_limiter, Clock())
    for _ in range(times):
        await limiter.passes(LOGIN, NETWORK)
    assert (await limiter.refuses(LOGIN, NETWORK)).reason == Limit.LOGIN


async def test_process_counts_its_share_while_redis_is_down(caplog: pytest.LogCaptureFixture) -> None:
    counter = CountingFallback(processes=2)
    with caplog.at_level(logging.WARNING):
        async with counting(UNREACHABLE, fallback=counter, pause=0.0) as rate_limiter:
            await admits_exactly(rate_limiter, 5)
            reservation = Reservation((LOGIN,), next(iter(counter._logs[LOGIN])))
            await rate_limiter.cancel(reservation)
            await admits_exactly(rate_limiter, 1)
            await rate_limiter.reset(LOGIN)
            await admits_exactly(rate_limiter, 5)
    assert len(caplog.records) == 1
    assert "rate_limits_per_process" in caplog.text


async def test_killed_redis_is_replaced_by_memory_and_recovers(
    own_valkey: engines.Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    client = Redis.from_url(own_valkey.url)
    await client.config_set("appendfsync", "always")
    await client.aclose()
    async with counting(own_valkey.url) as rate_limiter:
        await admits_exactly(rate_limiter, 10)
        own_valkey.kill()
        await admits_exactly(rate_limiter, 10)
        own_valkey.start()
        await recovered(rate_limiter)
        assert (await refused(rate_limiter, LOGIN)).retry_after in range(200, 301)
    assert [record.message for record in caplog.records][1:] == ["rate_limits_shared"]


async def recovered(rate_limiter: RedisRateLimiter) -> None:
    async with asyncio.timeout(10):
        while rate_limiter._down:
            await rate_limiter.reset(Bucket(Limit.CLIENT, ()))
            await asyncio.sleep(0.01)


async def test_a_receipt_can_be_refunded_after_an_outage(own_valkey: engines.Valkey) -> None:
    client = Redis.from_url(own_valkey.url)
    await client.config_set("appendfsync", "always")
    await client.aclose()
    counter = CountingFallback()
    async with counting(own_valkey.url, fallback=counter) as rate_limiter:
        before = await rate_limiter.acquire(LOGIN)
        own_valkey.kill()
        during = await rate_limiter.acquire(LOGIN)
        assert counter.asked == 1
        own_valkey.start()
        await recovered(rate_limiter)
        for reservation in (before, during):
            await rate_limiter.cancel(reservation)
        assert await LimiterHarness(rate_limiter, Clock()).room(LOGIN) == 10
        assert await LimiterHarness(counter, Clock()).room(LOGIN) == 10


async def test_an_emptied_redis_starts_with_no_attempts(valkey: engines.Valkey, redis: "Redis") -> None:
    counter = CountingFallback()
    async with counting(valkey.url, fallback=counter) as rate_limiter:
        await admits_exactly(rate_limiter, 10)
        await redis.flushall()
        await redis.script_flush()
        await admits_exactly(rate_limiter, 10)
    assert counter.asked == 0


async def test_silent_redis_costs_one_timeout(valkey: engines.Valkey, redis: "Redis") -> None:
    counter = CountingFallback()
    async with (
        proxy(valkey.url) as wire,
        counting(wire.url, fallback=counter, deadline=1.0, pause=30.0) as rate_limiter,
    ):
        await rate_limiter.acquire(LOGIN)
        wire.cut()
        async with asyncio.timeout(10):
            ends = await asyncio.gather(*(rate_limiter.acquire(LOGIN) for _ in range(200)), return_exceptions=True)
        assert [end for end in ends if not isinstance(end, Reservation | Refusal)] == []
        assert sum(isinstance(end, Reservation) for end in ends) == 10
        # Only the fallback is used now: a call that does not wait ends without a pause.
        count_before = counter.asked
        for _ in range(100):
            call = asyncio.create_task(rate_limiter.acquire(NETWORK))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert call.done()
            assert isinstance(call.exception(), Refusal | None)
        assert counter.asked == count_before + 100


async def test_waiting_callers_share_the_timeout_of_a_failing_redis(valkey: engines.Valkey, redis: "Redis") -> None:
    async with proxy(valkey.url) as wire, counting(wire.url, deadline=0.5, pause=30.0) as rate_limiter:
        await rate_limiter.acquire(LOGIN)
        wire.cut()
        first = asyncio.create_task(rate_limiter.acquire(LOGIN))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(rate_limiter.acquire(NETWORK)) for _ in range(20)]
        await first
        await asyncio.sleep(0.05)
        assert all(other.done() for other in others)


async def test_probe_of_a_silent_redis_delays_no_other(valkey: engines.Valkey, redis: "Redis") -> None:
    async with proxy(valkey.url) as wire, counting(wire.url, pause=30.0) as rate_limiter:
        wire.cut()
        rate_limiter._down = True
        looking = asyncio.create_task(rate_limiter.acquire(LOGIN))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(rate_limiter.acquire(NETWORK)) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert all(other.done() for other in others)
        assert not looking.done()
        wire.mend()
        await looking
        assert not rate_limiter._down


async def test_silent_redis_is_used_again_after_recovery(valkey: engines.Valkey, redis: "Redis") -> None:
    counter = CountingFallback()
    async with proxy(valkey.url) as wire, counting(wire.url, fallback=counter, deadline=1.0) as rate_limiter:
        wire.cut()
        await rate_limiter.acquire(LOGIN)
        assert counter.asked == 1
        wire.mend()
        await recovered(rate_limiter)
        await rate_limiter.acquire(LOGIN)
        assert counter.asked == 1


async def test_a_paused_redis_is_replaced_by_the_fallback(valkey: engines.Valkey, redis: "Redis") -> None:
    counter = CountingFallback()
    async with counting(valkey.url, fallback=counter, deadline=0.5) as rate_limiter:
        await rate_limiter.reset(LOGIN)
        await redis.client_pause(1500)
        await rate_limiter.acquire(LOGIN)
        assert counter.asked == 1
        await recovered(rate_limiter)


@pytest.mark.parametrize("trouble", ["full", "a replica", "another kind", "wrong password"])
async def test_error_of_redis_falls_back_to_memory(
    own_valkey: engines.Valkey, valkey: engines.Valkey, trouble: str
) -> None:
    client = Redis.from_url(own_valkey.url)
    counter = CountingFallback()
    url = own_valkey.url
    if trouble == "full":
        await client.config_set("maxmemory", "1")
    elif trouble == "a replica":
        await client.config_set("masterauth", valkey.password)
        await client.replicaof("127.0.0.1", valkey.port)
    elif trouble == "another kind":
        async with counting(url) as rate_limiter:
            await rate_limiter.acquire(LOGIN)
        [key] = await client.keys(KEYS)
        await client.set(key, "word")
    else:
        url = url.replace(own_valkey.password, "wrong")
    async with counting(url, fallback=counter, deadline=1.0) as rate_limiter:
        await admits_exactly(rate_limiter, 10)
        assert counter.asked == 11
    await client.aclose()


async def test_logs_about_redis_contain_no_identity(
    valkey: engines.Valkey, redis: "Redis", caplog: pytest.LogCaptureFixture
) -> None:
    async with counting(valkey.url) as rate_limiter:
        await rate_limiter.acquire(LOGIN)
        [key] = await redis.keys(KEYS)
        await redis.set(key, "word")
        await rate_limiter.acquire(LOGIN)
        output = json.dumps([repr(rate_limiter), caplog.text])
    assert "WRONGTYPE" in output
    assert not any(secret in output for secret in (ADA, "203.0.113", SECRET.decode(), valkey.password))
