"""Nudges are cheap, may be lost, and tell Redis nothing but ids."""

import socket
from uuid import UUID

import anyio
import pytest
from redis.asyncio import Redis

from adapters.dramatiq_queue import DramatiqNudge
from entrypoints.engines import Valkey

MAILS = [UUID(int=number) for number in range(1, 51)]


@pytest.mark.anyio
async def test_only_ids_stand_in_redis(redis: Redis, valkey: Valkey) -> None:
    nudge = DramatiqNudge(valkey.url)
    nudge(MAILS)
    await anyio.to_thread.run_sync(nudge.close)
    messages = str(await redis.hvals("{latchkey}:mail.msgs"))
    assert await redis.llen("{latchkey}:mail") == len(MAILS)
    assert all(str(mail) in messages for mail in MAILS)
    assert "@" not in messages


def test_nobody_there_is_nobody_s_trouble(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nudge = DramatiqNudge(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
        nudge(MAILS)
        nudge.close()
    assert len(caplog.records) == 1


def test_a_deaf_redis_holds_nobody_up_and_what_is_too_much_is_dropped() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        nudge = DramatiqNudge(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", backlog=2)
        for _ in range(1000):
            nudge(MAILS)
        nudge.close()
