"""Redis is only a cache: whatever happens to it, logins work, and ended sessions stay refused."""

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

OUTAGE_SECONDS, HEALED = 2.0, 10.0
"""The longest time of an answer (p99), and until Redis is trusted again, in seconds."""


@contextmanager
def kill_redis(stack: Stack) -> Iterator[None]:
    stack.valkey.kill()
    yield
    stack.valkey.start()


@contextmanager
def drop_packets(stack: Stack) -> Iterator[None]:
    """Packets are dropped: connections are accepted, but never answered."""
    stack.cut(stack.to_redis)
    yield
    stack.mend(stack.to_redis)


@contextmanager
def flush(stack: Stack) -> Iterator[None]:
    with stack.redis() as redis:
        redis.flushall()
        yield
        redis.flushall()


@contextmanager
def freeze(stack: Stack) -> Iterator[None]:
    """The process is stopped by a signal."""
    assert stack.valkey.pid is not None
    os.kill(stack.valkey.pid, signal.SIGSTOP)
    yield
    os.kill(stack.valkey.pid, signal.SIGCONT)


@contextmanager
def fill(stack: Stack) -> Iterator[None]:
    """Reads work; writes are refused (OOM)."""
    with stack.redis() as redis:
        redis.config_set("maxmemory", 1)
        yield
        redis.config_set("maxmemory", 0)


@contextmanager
def restore_older_copy(stack: Stack) -> Iterator[None]:
    """The data is restored from a copy that lacks later revocations."""
    data, copy = stack.valkey.folder / "appendonlydir", stack.valkey.folder / "older"
    stack.valkey.kill()
    shutil.copytree(data, copy)
    stack.valkey.start()
    yield
    stack.valkey.kill()
    shutil.rmtree(data)
    copy.rename(data)
    stack.valkey.start()


@pytest.mark.parametrize("trouble", [kill_redis, drop_packets, flush, freeze, fill, restore_older_copy])
def test_redis_faults_fail_no_request_and_revive_no_session(
    stack: Stack, trouble: Callable[[Stack], AbstractContextManager[None]]
) -> None:
    emails = [stack.service.user("visitor") for _ in range(5)]
    gone: list[dict[str, str]] = []

    def log_out() -> None:
        """Log in and refresh at one process, log out at the other."""
        visitor = stack.client(0).log_in(emails[0])
        gone.append(dict(visitor.pair))
        visitor.take(visitor.renew())
        gone.append(dict(visitor.pair))
        answer = stack.client(1).post("/v1/logout", headers=bearer(visitor.pair["access_token"]))
        assert answer.status_code == 204, answer.text

    def assert_all_refused() -> None:
        for pair in gone:
            for number in range(2):
                caller = stack.client(number)
                assert code(caller.get("/v1/me", headers=bearer(pair["access_token"]))) == "token_revoked"
                assert code(caller.renew(pair["refresh_token"])) in {"session_ended", "refresh_reused"}

    def wait_for_answers(load: Load, answers: int) -> None:
        until = len(load.seconds) + answers
        eventually(lambda: len(load.seconds) >= until or load.unexpected, within=60)
        assert load.unexpected == []

    log_out()
    with Load(stack, emails[1:]) as load:
        wait_for_answers(load, 100)
        with trouble(stack):
            log_out()
            assert_all_refused()
            wait_for_answers(load, 150)
            assert_all_refused()
        assert_all_refused()
        stack.wait(within=HEALED)
        assert_all_refused()
        log_out()
        wait_for_answers(load, 100)
        assert_all_refused()
    assert load.unexpected == []
    assert quantiles(load.seconds, n=100)[98] < OUTAGE_SECONDS


def test_an_emptied_redis_is_detected_without_earlier_requests(stack: Stack) -> None:
    """The first request afterwards uses a session that ended before, and there were no requests in between."""
    member = stack.client().log_in(stack.service.user("quiet"))
    token = bearer(member.pair["access_token"])
    assert member.post("/v1/logout").status_code == 204
    for _ in range(20):
        with stack.redis() as redis:
            redis.flushall()
        for number in range(2):
            assert code(stack.client(number).get("/v1/me", headers=token)) == "token_revoked"
