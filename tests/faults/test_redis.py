"""Redis is a copy: whatever becomes of it, people log in, and whoever has logged out stays out."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from statistics import quantiles

import pytest

from tests.support.fault_stack import Stack
from tests.support.rolling import Load, bearer
from tests.support.service import code, eventually

TOLD, HEALED = 2.0, 10.0
"""Seconds that an answer takes at the most (p99), and until Redis is believed again."""


@contextmanager
def killed(stack: Stack) -> Iterator[None]:
    stack.valkey.kill()
    yield
    stack.valkey.start()


@contextmanager
def swallowed(stack: Stack) -> Iterator[None]:
    """Taken and never answered."""
    stack.cut(stack.to_redis)
    yield
    stack.mend(stack.to_redis)


@contextmanager
def emptied(stack: Stack) -> Iterator[None]:
    with stack.redis() as redis:
        redis.flushall()
        yield
        redis.flushall()


@contextmanager
def stuck(stack: Stack) -> Iterator[None]:
    """Alive, and standing still."""
    assert stack.valkey.pid is not None
    os.kill(stack.valkey.pid, signal.SIGSTOP)
    yield
    os.kill(stack.valkey.pid, signal.SIGCONT)


@contextmanager
def full(stack: Stack) -> Iterator[None]:
    """Reads work; what is written is denied (OOM)."""
    with stack.redis() as redis:
        redis.config_set("maxmemory", 1)
        yield
        redis.config_set("maxmemory", 0)


@contextmanager
def restored(stack: Stack) -> Iterator[None]:
    """From a copy that is older than what was revoked since."""
    data, copy = stack.valkey.folder / "appendonlydir", stack.valkey.folder / "older"
    stack.valkey.kill()
    shutil.copytree(data, copy)
    stack.valkey.start()
    yield
    stack.valkey.kill()
    shutil.rmtree(data)
    copy.rename(data)
    stack.valkey.start()


@pytest.mark.parametrize("trouble", [killed, swallowed, emptied, stuck, full, restored])
def test_redis_fault_is_not_noticed_and_revives_no_session(
    stack: Stack, trouble: Callable[[Stack], AbstractContextManager[None]]
) -> None:
    emails = [stack.service.user("visitor") for _ in range(5)]
    gone: list[dict[str, str]] = []

    def leave() -> None:
        """Logged in and renewed at one process, out at the other."""
        visitor = stack.client(0).log_in(emails[0])
        gone.append(dict(visitor.pair))
        visitor.take(visitor.renew())
        gone.append(dict(visitor.pair))
        answer = stack.client(1).post("/v1/logout", headers=bearer(visitor.pair["access_token"]))
        assert answer.status_code == 204, answer.text

    def all_stay_out() -> None:
        for pair in gone:
            for number in range(2):
                caller = stack.client(number)
                assert code(caller.get("/v1/me", headers=bearer(pair["access_token"]))) == "token_revoked"
                assert code(caller.renew(pair["refresh_token"])) in {"session_ended", "refresh_reused"}

    def more(load: Load, answers: int) -> None:
        until = len(load.seconds) + answers
        eventually(lambda: len(load.seconds) >= until or load.unexpected, within=60)
        assert load.unexpected == []

    leave()
    with Load(stack, emails[1:]) as load:
        more(load, 100)
        with trouble(stack):
            leave()
            all_stay_out()
            more(load, 150)
            all_stay_out()
        all_stay_out()
        stack.wait(within=HEALED)
        all_stay_out()
        leave()
        more(load, 100)
        all_stay_out()
    assert load.unexpected == []
    assert quantiles(load.seconds, n=100)[98] < TOLD


def test_emptied_redis_is_noticed_without_requests(stack: Stack) -> None:
    """The first question after it is about a session that ended long ago, and nobody has asked since."""
    member = stack.client().log_in(stack.service.user("quiet"))
    token = bearer(member.pair["access_token"])
    assert member.post("/v1/logout").status_code == 204
    for _ in range(20):
        with stack.redis() as redis:
            redis.flushall()
        for number in range(2):
            assert code(stack.client(number).get("/v1/me", headers=token)) == "token_revoked"
