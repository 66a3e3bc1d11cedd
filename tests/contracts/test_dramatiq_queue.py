"""Notifications to workers are cheap, may be lost, and contain only ids."""

import socket
import time
from uuid import UUID

import anyio
import dramatiq
import pytest
from dramatiq import Message, MessageProxy
from dramatiq.errors import ConnectionClosed
from redis.asyncio import Redis

from adapters.redis.dramatiq_queue import ACTOR, QUEUE, DramatiqNudge, make_broker
from entrypoints.devserver.engines import Valkey

MAILS = [UUID(int=number) for number in range(1, 51)]


@pytest.mark.anyio
async def test_redis_stores_only_ids(redis: Redis, valkey: Valkey) -> None:
    nudge = DramatiqNudge(valkey.url)
    nudge(MAILS)
    await anyio.to_thread.run_sync(nudge.close)
    messages = str(await redis.hvals("{latchkey}:mail.msgs"))
    assert await redis.llen("{latchkey}:mail") == len(MAILS)
    assert all(str(mail) in messages for mail in MAILS)
    assert "@" not in messages


def test_unreachable_redis_is_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nudge = DramatiqNudge(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
        nudge(MAILS)
        nudge.close()
    assert len(caplog.records) == 1


def test_silent_redis_delays_nothing_and_excess_is_dropped() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        nudge = DramatiqNudge(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", backlog=2)
        for _ in range(1000):
            nudge(MAILS)
        nudge.close()


def test_worker_treats_a_silent_redis_as_disconnected(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        broker = make_broker(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", deadline=0.05)
        dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=broker)(str)
        consumer = broker.consume(queue_name=QUEUE, prefetch=1, timeout=100)
        message = MessageProxy(Message(QUEUE, ACTOR, (), {}, {"redis_message_id": "1"}))
        with pytest.raises(ConnectionClosed):
            next(consumer)
        for settle in (consumer.ack, consumer.nack):
            with pytest.raises(ConnectionClosed):
                settle(message)
        worker = dramatiq.Worker(broker, worker_threads=1)
        worker.start()
        while not (lines := [it for it in caplog.records if it.levelname == "CRITICAL"]):
            time.sleep(0.01)
        worker.stop(timeout=1000)
    assert [it.exc_info for it in lines] == [None] * len(lines)
    assert "connection error" in lines[0].getMessage()
