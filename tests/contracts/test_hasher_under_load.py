"""The hasher under load refuses in time, wastes no hashes, and does not block the event loop."""

import asyncio
import contextvars
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from adapters.caller import Caller, serve
from adapters.passwords.argon2_hasher import Argon2Hasher
from application.ports import PasswordMatch
from domain.refusals import ErrorCode, Refusal
from tests.support.hash_gate import HashGate
from tests.support.store_harness import wait_until

pytestmark = pytest.mark.anyio

WRONG = PasswordMatch(False)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def gate() -> Iterator[HashGate]:
    gate = HashGate()
    yield gate
    gate.free.set()
    for hasher in gate.hashers:
        hasher.close()


def ask(hasher: Argon2Hasher) -> asyncio.Task[PasswordMatch]:
    return asyncio.create_task(hasher.verify("x", None))


async def is_overloaded(asked: asyncio.Task[PasswordMatch]) -> bool:
    with pytest.raises(Refusal) as refused:
        await asyncio.wait_for(asked, 10)
    return (refused.value.code, refused.value.retry_after) == (ErrorCode.OVERLOADED, 1)


async def test_caller_who_waits_too_long_is_refused_without_a_hash(gate: HashGate) -> None:
    hasher = gate.hasher(deadline=0.05)
    first = ask(hasher)
    await gate.begun()
    waiting = [ask(hasher) for _ in range(20)]
    assert all([await is_overloaded(verification) for verification in waiting])
    assert not first.done()  # it started long ago, so it is finished
    gate.free.set()
    assert await first == WRONG
    assert await ask(hasher) == WRONG
    assert len(gate.threads) == 2


async def test_a_full_queue_refuses_at_once(gate: HashGate) -> None:
    hasher = gate.hasher(queue=2)
    welcome = [ask(hasher) for _ in range(3)]
    await gate.begun()
    assert await is_overloaded(ask(hasher))
    gate.free.set()
    assert await asyncio.gather(*welcome) == [WRONG] * 3
    assert await asyncio.gather(*(ask(hasher) for _ in range(3))) == [WRONG] * 3


async def test_sixty_four_wait_for_each_thread_and_the_next_is_refused(gate: HashGate) -> None:
    hasher = gate.hasher(threads=2, queue=None)
    welcome = [ask(hasher) for _ in range(2 + 2 * 64)]
    await gate.begun()
    assert await is_overloaded(ask(hasher))
    gate.free.set()
    assert await asyncio.gather(*welcome) == [WRONG] * 130


# -- fairness ---------------------------------------------------------------------------------------------


def ask_from(
    ip: str, hasher: Argon2Hasher, password_hash: str | None = None, **more: Any
) -> asyncio.Task[PasswordMatch]:
    """Verify a password as a request from this address would."""
    context = contextvars.copy_context()
    context.run(serve, Caller(ip=ip, **more))
    return asyncio.create_task(hasher.verify("x", password_hash), context=context)


def record(done: list[str], ip: str, _: object) -> None:
    done.append(ip)


async def test_a_network_with_many_hashes_does_not_delay_other_networks(gate: HashGate) -> None:
    hasher, done = gate.hasher(), list[str]()
    working = ask(hasher)
    await gate.begun()
    attackers = [f"203.0.113.{number}" for number in range(3)]
    honest = [f"198.51.100.{number}" for number in range(4)]
    for ip in [ip for ip in attackers for _ in range(15)] + honest:
        ask_from(ip, hasher).add_done_callback(partial(record, done, ip))
    await asyncio.sleep(0)
    gate.free.set()
    await working
    await wait_until(lambda: len(done) == 45 + 4)
    # One of each attacker, then the honest networks; results may be seen in any order.
    assert set(honest) <= set(done[:10])


async def test_a_full_queue_drops_the_newest_job_of_the_largest_network(gate: HashGate) -> None:
    hasher = gate.hasher(queue=4)
    working = ask(hasher)
    await gate.begun()
    crowd = [ask_from("203.0.113.7", hasher) for _ in range(4)]
    await asyncio.sleep(0)
    assert await is_overloaded(ask_from("203.0.113.7", hasher))
    others = [ask_from(f"198.51.100.{number}", hasher) for number in range(3)]
    assert [await is_overloaded(dropped) for dropped in crowd[:0:-1]] == [True] * 3
    assert await is_overloaded(ask_from("198.51.100.9", hasher))  # no network has more than one
    gate.free.set()
    assert await asyncio.gather(working, crowd[0], *others) == [WRONG] * 5


async def test_networks_of_one_site_share_a_turn(gate: HashGate) -> None:
    hasher, done = gate.hasher(), list[str]()
    working = ask(hasher)
    await gate.begun()
    for ip in [f"2001:db8:0:{number:x}::1" for number in range(40)] + ["198.51.100.1"]:
        ask_from(ip, hasher).add_done_callback(partial(record, done, ip))
    await asyncio.sleep(0)
    gate.free.set()
    await working
    await wait_until(lambda: len(done) == 41)
    assert "198.51.100.1" in done[:5]


async def test_disconnected_caller_leaves_the_queue(gate: HashGate) -> None:
    hasher = gate.hasher(queue=1)
    working = ask(hasher)
    await gate.begun()
    gone = asyncio.Event()

    async def disconnected() -> None:
        await gone.wait()

    waiting = ask_from("203.0.113.7", hasher, hung_up=disconnected)
    await asyncio.sleep(0)
    assert await is_overloaded(ask_from("203.0.113.7", hasher))
    gone.set()
    assert await is_overloaded(waiting)
    waiting = ask_from("203.0.113.7", hasher)
    gate.free.set()
    assert [await working, await waiting] == [WRONG] * 2
    assert len(gate.threads) == 2


BCRYPT = "$2b$%02d$" + "." * 21 + "." + "." * 31
PBKDF2 = "pbkdf2_sha256$%d$salt$" + "A" * 43 + "="
SCRYPT = "$scrypt$ln=%d,r=8,p=1$c2FsdA$" + "A" * 43


@pytest.mark.parametrize(
    ("password_hash", "expensive"),
    [
        (None, False),
        ("nonsense", False),
        (BCRYPT % 10, False),
        (BCRYPT % 12, True),
        (BCRYPT % 14, True),
        (f"bcrypt${BCRYPT % 14}", True),
        (PBKDF2 % 260_000, False),
        (PBKDF2 % 1_000_000, True),
        (SCRYPT % 14, False),
        (SCRYPT % 16, True),
        ("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$" + "A" * 43, False),
        ("argon2$argon2id$v=19$m=102400,t=8,p=8$c29tZXNhbHQ$" + "A" * 43, True),
        ("0" * 32 + ":" + "0" * 128, False),
    ],
)
def test_expensive_foreign_hashes_are_recognized(password_hash: str | None, expensive: bool) -> None:
    hasher = Argon2Hasher(threads=1)
    assert password_hash in {None, "nonsense"} or hasher.can_verify(password_hash or "")
    assert hasher.is_expensive(password_hash) is expensive
    hasher.close()


async def test_own_hashes_are_never_expensive() -> None:
    hasher = Argon2Hasher(threads=1, memory=2**17, passes=8)
    own = hasher._ours + "c29tZXNhbHQ$" + "A" * 43
    assert hasher.can_verify(own)
    assert not hasher.is_expensive(own)
    hasher.close()


async def test_expensive_imported_hashes_do_not_delay_other_logins(
    gate: HashGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten guesses at imported accounts are in progress, and every other login is served."""
    slow, release = list[int](), threading.Event()

    def blocking_bcrypt(*_: object) -> bytes:
        slow.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        assert release.wait(10)
        return b""

    monkeypatch.setattr("adapters.passwords.foreign_digests.bcrypt.hashpw", blocking_bcrypt)
    gate.free.set()
    for threads in (1, 2):
        hasher = gate.hasher(threads=threads)
        release.clear()
        guesses = [ask_from("203.0.113.7", hasher, BCRYPT % 14) for _ in range(10)]
        assert await asyncio.gather(*(ask_from("203.0.113.7", hasher) for _ in range(20))) == [WRONG] * 20
        assert await asyncio.gather(*(ask_from("198.51.100.1", hasher) for _ in range(20))) == [WRONG] * 20
        assert not any(guess.done() for guess in guesses)
        release.set()
        assert await asyncio.gather(*guesses) == [WRONG] * 10
    if sys.platform == "linux":
        assert set(slow) == {19}


async def test_cancelled_callers_free_their_place_in_the_queue(gate: HashGate) -> None:
    hasher = gate.hasher(queue=1)
    working = ask(hasher)
    await gate.begun()
    for _ in range(50):
        waiting = ask(hasher)
        await asyncio.sleep(0)
        assert await is_overloaded(ask(hasher))
        waiting.cancel()
        await asyncio.wait([waiting])
    working.cancel()
    await asyncio.wait([working])
    waiting = ask(hasher)
    await asyncio.sleep(0)
    assert await is_overloaded(ask(hasher))  # the hash that has started still counts
    gate.free.set()
    assert await waiting == WRONG
    assert await asyncio.gather(*(ask(hasher) for _ in range(2))) == [WRONG] * 2
    assert len(gate.threads) == 4


async def test_a_failed_job_frees_its_place_in_the_queue(gate: HashGate, monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = gate.hasher(queue=0)
    gate.free.set()
    monkeypatch.setattr(HashGate, "hash", lambda *_, **__: 1 // 0)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            await hasher.hash("x")
        await wait_until(lambda: hasher.load() == (0, 0))
    assert await ask(hasher) == WRONG


async def test_the_event_loop_is_not_blocked_by_hashing(gate: HashGate) -> None:
    hasher = gate.hasher(threads=2)
    asked = [ask(hasher) for _ in range(8)]
    await gate.begun()
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not any(task.done() for task in asked)
    gate.free.set()
    assert await asyncio.gather(*asked) == [WRONG] * 8


async def test_hashes_run_on_few_threads_of_low_priority(gate: HashGate) -> None:
    hasher = gate.hasher(threads=2)
    gate.free.set()
    assert await asyncio.gather(*(hasher.verify(str(n), None) for n in range(64))) == [WRONG] * 64
    threads = set(gate.threads)
    assert 1 <= len(threads) <= 2
    assert threading.current_thread() not in threads
    if sys.platform == "linux":
        assert all(os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) >= 10 for thread in threads)
        assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < 10


async def test_closing_finishes_started_jobs_and_refuses_the_rest(gate: HashGate) -> None:
    hasher = gate.hasher()
    working = ask(hasher)
    await gate.begun()
    waiting = ask(hasher)
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(hasher.close))
    assert await is_overloaded(waiting)
    gate.free.set()
    assert await working == WRONG
    await closing
    assert await is_overloaded(ask(hasher))


async def test_sixty_four_concurrent_callers_get_their_own_result() -> None:
    hasher = Argon2Hasher(threads=4, deadline=60, memory=64, passes=1)
    hashes = await asyncio.gather(*(hasher.hash(f"password {n}") for n in range(64)))
    assert len(set(hashes)) == 64
    shifts = {
        shift: [hasher.verify(f"password {(n + shift) % 64}", hashes[n]) for n in range(64)] for shift in (0, 1, 63)
    }
    verdicts = await asyncio.gather(*(job for jobs in shifts.values() for job in jobs))
    assert verdicts == [PasswordMatch(True)] * 64 + [WRONG] * 128
    hasher.close()
