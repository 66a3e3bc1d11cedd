"""What a hasher promises when too much is asked of it: a no in time, nothing wasted, and a loop that stays free."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from adapters.argon2_hasher import Argon2Hasher
from application.ports import Verdict
from domain.refusals import Code, Refusal
from tests.contracts.hash_gate import Gate

pytestmark = pytest.mark.anyio

WRONG = Verdict(False)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.free.set()
    for hasher in gate.hashers:
        hasher.close()


def ask(hasher: Argon2Hasher) -> asyncio.Task[Verdict]:
    return asyncio.create_task(hasher.verify("x", None))


async def overloaded(asked: asyncio.Task[Verdict]) -> bool:
    with pytest.raises(Refusal) as refused:
        await asyncio.wait_for(asked, 10)
    return (refused.value.code, refused.value.retry_after) == (Code.OVERLOADED, 1)


async def test_who_waits_too_long_is_refused_and_costs_nothing(gate: Gate) -> None:
    hasher = gate.hasher(deadline=0.05)
    first = ask(hasher)
    await gate.begun()
    waiting = [ask(hasher) for _ in range(20)]
    assert all([await overloaded(asked) for asked in waiting])
    assert not first.done()  # it has begun long ago, and is worth its price
    gate.free.set()
    assert await first == WRONG
    assert await ask(hasher) == WRONG
    assert len(gate.threads) == 2


async def test_a_full_queue_refuses_at_once(gate: Gate) -> None:
    hasher = gate.hasher(queue=2)
    welcome = [ask(hasher) for _ in range(3)]
    await gate.begun()
    assert await overloaded(ask(hasher))
    gate.free.set()
    assert await asyncio.gather(*welcome) == [WRONG] * 3
    assert await asyncio.gather(*(ask(hasher) for _ in range(3))) == [WRONG] * 3


async def test_sixty_four_wait_for_each_thread_and_the_next_is_refused(gate: Gate) -> None:
    hasher = gate.hasher(threads=2, queue=None)
    welcome = [ask(hasher) for _ in range(2 + 2 * 64)]
    await gate.begun()
    assert await overloaded(ask(hasher))
    gate.free.set()
    assert await asyncio.gather(*welcome) == [WRONG] * 130


async def test_callers_who_leave_give_their_place_back(gate: Gate) -> None:
    hasher = gate.hasher(queue=1)
    working = ask(hasher)
    await gate.begun()
    for _ in range(50):
        waiting = ask(hasher)
        await asyncio.sleep(0)
        assert await overloaded(ask(hasher))
        waiting.cancel()
        await asyncio.wait([waiting])
    working.cancel()
    await asyncio.wait([working])
    waiting = ask(hasher)
    await asyncio.sleep(0)
    assert await overloaded(ask(hasher))  # the hash that has begun still has its place
    gate.free.set()
    assert await waiting == WRONG
    assert await asyncio.gather(*(ask(hasher) for _ in range(2))) == [WRONG] * 2
    assert len(gate.threads) == 4


async def test_a_job_that_fails_gives_its_place_back(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = gate.hasher(queue=0)
    gate.free.set()
    monkeypatch.setattr(Gate, "hash", lambda *_: 1 // 0)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            await hasher.hash("x")
        await asyncio.to_thread(hasher._pool.submit(int).result)  # behind it, so that it has been cleared away
    assert await ask(hasher) == WRONG


async def test_the_loop_runs_on_while_hashes_are_made(gate: Gate) -> None:
    hasher = gate.hasher(threads=2)
    asked = [ask(hasher) for _ in range(8)]
    await gate.begun()
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not any(task.done() for task in asked)
    gate.free.set()
    assert await asyncio.gather(*asked) == [WRONG] * 8


async def test_hashes_run_on_few_threads_that_step_back(gate: Gate) -> None:
    hasher = gate.hasher(threads=2)
    gate.free.set()
    assert await asyncio.gather(*(hasher.verify(str(n), None) for n in range(64))) == [WRONG] * 64
    threads = set(gate.threads)
    assert 1 <= len(threads) <= 2
    assert threading.current_thread() not in threads
    if sys.platform == "linux":
        assert all(os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) >= 10 for thread in threads)
        assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < 10


async def test_closing_finishes_what_has_begun_and_refuses_the_rest(gate: Gate) -> None:
    hasher = gate.hasher()
    working = ask(hasher)
    await gate.begun()
    waiting = ask(hasher)
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(hasher.close))
    assert await overloaded(waiting)
    gate.free.set()
    assert await working == WRONG
    await closing
    assert await overloaded(ask(hasher))


async def test_sixty_four_at_once_never_take_each_others_answer() -> None:
    hasher = Argon2Hasher(threads=4, deadline=60, memory=64, passes=1)
    kept = await asyncio.gather(*(hasher.hash(f"password {n}") for n in range(64)))
    assert len(set(kept)) == 64
    shifts = {
        shift: [hasher.verify(f"password {(n + shift) % 64}", kept[n]) for n in range(64)] for shift in (0, 1, 63)
    }
    verdicts = await asyncio.gather(*(job for jobs in shifts.values() for job in jobs))
    assert verdicts == [Verdict(True)] * 64 + [WRONG] * 128
    hasher.close()
