"""Many callers, one question: no answer is older than the call, and nobody is hurt by another's leaving."""

import asyncio
import gc
import random
import weakref
from collections.abc import Collection, Mapping

import pytest

from adapters.round_trip import RoundTrip

pytestmark = pytest.mark.anyio


class Counter:
    """Answers every key with how far a count had come when the question arrived; every question counts."""

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


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_of_one_moment_share_a_question() -> None:
    counter = Counter()
    ask = RoundTrip(counter)
    answers = await asyncio.gather(*(ask([key]) for key in range(500)))
    assert all(key in answer for key, answer in enumerate(answers))
    assert counter.asked == [set(range(500))]


async def test_whoever_comes_while_a_question_is_under_way_shares_the_next_one() -> None:
    counter = Counter()
    ask = RoundTrip(counter)
    counter.gate.clear()
    early = asyncio.create_task(ask([1]))
    await settled()
    counter.now = 1
    late = [asyncio.create_task(ask([key])) for key in (2, 3)]
    await settled()
    counter.now = 2
    counter.gate.set()
    assert await early == {1: 0}
    assert [await call for call in late] == [{2: 2, 3: 2}] * 2
    assert counter.asked == [{1}, {2, 3}]


async def test_no_answer_is_older_than_the_call() -> None:
    counter = Counter()
    ask = RoundTrip(counter)
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


async def test_an_error_reaches_every_caller_that_waits_for_that_answer_and_no_other() -> None:
    counter = Counter()
    ask = RoundTrip(counter)
    counter.trouble = OSError("gone")
    failed = await asyncio.gather(*(ask([key]) for key in range(20)), return_exceptions=True)
    assert failed == [counter.trouble] * 20
    counter.trouble = None
    assert await ask([1]) == {1: 0}


async def test_a_caller_that_leaves_takes_nothing_with_it() -> None:
    counter = Counter()
    ask = RoundTrip(counter)
    counter.gate.clear()
    first, second = asyncio.create_task(ask([1])), asyncio.create_task(ask([2]))
    await settled()
    third, fourth = asyncio.create_task(ask([3])), asyncio.create_task(ask([4]))
    await settled()
    first.cancel()
    third.cancel()
    await settled()
    assert first.cancelled()
    assert third.cancelled()
    counter.gate.set()
    assert 2 in await second
    assert 4 in await fourth


async def test_a_thousand_callers_that_leave_at_random_mix_up_no_answer() -> None:
    counter = Counter()
    ask = RoundTrip(counter)
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


async def test_an_error_that_nobody_waits_for_any_more_is_nobody_s_trouble() -> None:
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    counter = Counter()
    ask = RoundTrip(counter)
    counter.gate.clear()
    counter.trouble = OSError("gone")
    call = asyncio.create_task(ask([1]))
    await settled()
    call.cancel()
    await settled()
    counter.gate.set()
    await settled()
    gc.collect()
    assert unhandled == []


async def test_nobody_waits_for_ever_for_an_answer_that_was_broken_off() -> None:
    counter = Counter()
    ask = RoundTrip(counter)
    counter.gate.clear()
    early = asyncio.create_task(ask([1]))
    await settled()
    late = asyncio.create_task(ask([2]))
    await settled()
    counter.trouble = asyncio.CancelledError()
    counter.gate.set()
    answers = await asyncio.wait_for(asyncio.gather(early, late, return_exceptions=True), 5)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
    counter.trouble = None
    assert await ask([3]) == {3: 0}


async def test_nothing_is_kept_of_questions_that_were_answered() -> None:
    class Key:
        pass

    async def echo(keys: Collection[Key]) -> int:
        return len(keys)

    others = asyncio.all_tasks()
    ask = RoundTrip(echo)
    keys = [Key() for _ in range(50)]
    traces = [weakref.ref(key) for key in keys]
    await asyncio.gather(*(ask([key]) for key in keys))
    del keys
    await settled()
    gc.collect()
    assert [trace() for trace in traces] == [None] * 50
    assert asyncio.all_tasks() == others


async def test_whoever_closes_can_wait_until_nothing_is_under_way() -> None:
    counter = Counter()
    ask = RoundTrip(counter)
    await ask.landed()
    counter.gate.clear()
    early = asyncio.create_task(ask([1]))
    await settled()
    late = asyncio.create_task(ask([2]))
    landing = asyncio.create_task(ask.landed())
    await settled()
    assert not landing.done()
    counter.gate.set()
    await landing
    assert (await early, await late) == ({1: 0}, {2: 0})
