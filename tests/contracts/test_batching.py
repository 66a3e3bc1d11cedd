"""Batcher: no answer is older than its call, and a cancelled call does not affect others."""

import asyncio
import gc
import random
import weakref
from collections.abc import Collection, Mapping

import pytest

from adapters.batching import Batcher

pytestmark = pytest.mark.anyio


class Counter:
    """Answers every key with the value of `now` at the start of the batch, and records every batch."""

    def __init__(self) -> None:
        self.now = 0
        self.asked: list[set[int]] = []
        self.trouble: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, keys: Collection[int]) -> Mapping[int, int]:
        self.asked.append(set(keys))
        answer = dict.fromkeys(keys, self.now)
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        return answer


async def run_pending_tasks() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_concurrent_callers_share_a_batch() -> None:
    counter = Counter()
    ask = Batcher(counter)
    answers = await asyncio.gather(*(ask([key]) for key in range(500)))
    assert all(key in answer for key, answer in enumerate(answers))
    assert counter.asked == [set(range(500))]


async def test_a_call_during_a_batch_joins_the_next_one() -> None:
    counter = Counter()
    ask = Batcher(counter)
    counter.gate.clear()
    early = asyncio.create_task(ask([1]))
    await run_pending_tasks()
    counter.now = 1
    late = [asyncio.create_task(ask([key])) for key in (2, 3)]
    await run_pending_tasks()
    counter.now = 2
    counter.gate.set()
    assert await early == {1: 0}
    assert [await call for call in late] == [{2: 2, 3: 2}] * 2
    assert counter.asked == [{1}, {2, 3}]


async def test_no_answer_is_older_than_the_call() -> None:
    counter = Counter()
    ask = Batcher(counter)
    dice = random.Random(7)

    async def caller(key: int) -> None:
        for _ in range(20):
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            counter.now += 1
            before = counter.now
            assert (await ask([key]))[key] >= before

    await asyncio.gather(*(caller(key) for key in range(50)))
    assert len(counter.asked) < 1000


async def test_an_error_reaches_only_the_callers_of_its_batch() -> None:
    counter = Counter()
    ask = Batcher(counter)
    counter.trouble = OSError("gone")
    failed = await asyncio.gather(*(ask([key]) for key in range(20)), return_exceptions=True)
    assert failed == [counter.trouble] * 20
    counter.trouble = None
    assert await ask([1]) == {1: 0}


async def test_a_cancelled_call_does_not_affect_others() -> None:
    counter = Counter()
    ask = Batcher(counter)
    counter.gate.clear()
    first, second = asyncio.create_task(ask([1])), asyncio.create_task(ask([2]))
    await run_pending_tasks()
    third, fourth = asyncio.create_task(ask([3])), asyncio.create_task(ask([4]))
    await run_pending_tasks()
    first.cancel()
    third.cancel()
    await run_pending_tasks()
    assert first.cancelled()
    assert third.cancelled()
    counter.gate.set()
    assert 2 in await second
    assert 4 in await fourth


async def test_random_cancellations_do_not_mix_up_answers() -> None:
    counter = Counter()
    ask = Batcher(counter)
    dice = random.Random(11)
    calls = []
    for key in range(4000):
        calls.append(asyncio.create_task(ask([key])))
        if dice.random() < 0.3:
            await asyncio.sleep(0)
        if dice.random() < 0.5:
            dice.choice(calls[-8:]).cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) > 1000
    for key, answer in enumerate(answers):
        assert isinstance(answer, asyncio.CancelledError) or (isinstance(answer, dict) and key in answer)
    assert await ask([-1]) == {-1: 0}


async def test_an_error_without_a_caller_is_not_reported_as_unhandled() -> None:
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    counter = Counter()
    ask = Batcher(counter)
    counter.gate.clear()
    counter.trouble = OSError("gone")
    call = asyncio.create_task(ask([1]))
    await run_pending_tasks()
    call.cancel()
    await run_pending_tasks()
    counter.gate.set()
    await run_pending_tasks()
    gc.collect()
    assert unhandled == []


async def test_a_cancelled_batch_cancels_its_callers() -> None:
    counter = Counter()
    ask = Batcher(counter)
    counter.gate.clear()
    early = asyncio.create_task(ask([1]))
    await run_pending_tasks()
    late = asyncio.create_task(ask([2]))
    await run_pending_tasks()
    counter.trouble = asyncio.CancelledError()
    counter.gate.set()
    answers = await asyncio.wait_for(asyncio.gather(early, late, return_exceptions=True), 5)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
    counter.trouble = None
    assert await ask([3]) == {3: 0}


async def test_answered_batches_leave_no_references() -> None:
    class Key:
        pass

    async def echo(keys: Collection[Key]) -> int:
        return len(keys)

    others = asyncio.all_tasks()
    ask = Batcher(echo)
    keys = [Key() for _ in range(50)]
    traces = [weakref.ref(key) for key in keys]
    await asyncio.gather(*(ask([key]) for key in keys))
    del keys
    await run_pending_tasks()
    gc.collect()
    assert [trace() for trace in traces] == [None] * 50
    assert asyncio.all_tasks() == others


async def test_drain_waits_for_batches_in_progress() -> None:
    counter = Counter()
    ask = Batcher(counter)
    await ask.drain()
    counter.gate.clear()
    early = asyncio.create_task(ask([1]))
    await run_pending_tasks()
    late = asyncio.create_task(ask([2]))
    landing = asyncio.create_task(ask.drain())
    await run_pending_tasks()
    assert not landing.done()
    counter.gate.set()
    await landing
    assert (await early, await late) == ({1: 0}, {2: 0})
