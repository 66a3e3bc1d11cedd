"""Notifies workers through Dramatiq and Redis. A message holds the id of a mail alone; a lost one delays it a second.

Messages name the actor, so that the sender does not import the worker.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Full, Queue
from typing import Any
from uuid import UUID

from dramatiq import Consumer, JSONEncoder, Message, MessageProxy, set_encoder
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import AsyncIO
from redis.exceptions import TimeoutError as RedisTimeout

from adapters.redis.clients import COMMAND_TIMEOUT, sync_client

ACTOR = "deliver_mail"
QUEUE = "mail"

BACKLOG = 1000
"""The most notifications that wait in a process."""

log = logging.getLogger(__name__)


@contextmanager
def _timeouts_as_connection_closed() -> Iterator[None]:
    try:
        yield
    except RedisTimeout as error:
        closed: Callable[[Exception], Exception] = ConnectionClosed  # Dramatiq does not annotate it
        raise closed(error) from None


class _Consumer(Consumer):
    """Dramatiq treats a refused connection as an outage, but logs three tracebacks a second if commands time out."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner

    def __next__(self) -> MessageProxy | None:
        with _timeouts_as_connection_closed():
            return next(self._inner)

    def ack(self, message: MessageProxy) -> None:
        with _timeouts_as_connection_closed():
            self._inner.ack(message)

    def nack(self, message: MessageProxy) -> None:
        with _timeouts_as_connection_closed():
            self._inner.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._inner.requeue(messages)

    def close(self) -> None:
        self._inner.close()


class _Broker(RedisBroker):
    def consume(self, *args: Any, **options: Any) -> Consumer:
        return _Consumer(super().consume(*args, **options))


def make_broker(redis_url: str, *, deadline: float = COMMAND_TIMEOUT) -> RedisBroker:
    """The broker for both sides of the queue. A command has `deadline` seconds. It connects when it is first used."""
    set_encoder(JSONEncoder())
    broker: Callable[..., RedisBroker] = _Broker  # Dramatiq does not annotate it
    return broker(
        client=sync_client(redis_url, timeout=deadline),
        # Its scripts derive names of keys; a cluster allows that if all keys are in one slot.
        namespace="{latchkey}",
        # The worker's event loop alone: no results, no retries, no metrics in a forked process.
        middleware=[AsyncIO()],
        # Dramatiq's maintenance requeues messages of dead workers. It runs `KEYS`, which blocks a Redis that holds
        # many revocations. The outbox sends those mails anyway.
        maintenance_chance=0,
    )


class DramatiqNudge:
    """Plays `Nudge`: passes ids to its own thread, because Dramatiq enqueues synchronously."""

    def __init__(self, redis_url: str, *, backlog: int = BACKLOG) -> None:
        self._broker = make_broker(redis_url)
        self._waiting: Queue[UUID | None] = Queue(backlog)
        self._closing = False
        self._reachable = True
        self._thread = threading.Thread(target=self._run, name="nudge", daemon=True)
        self._thread.start()

    def __call__(self, mails: Sequence[UUID]) -> None:
        # Full means that Redis is slow or down. The workers find the mails by polling.
        with suppress(Full):
            for mail in mails:
                self._waiting.put_nowait(mail)

    def close(self) -> None:
        """Wait up to one second until the waiting notifications are sent."""
        self._closing = True
        with suppress(Full):
            self._waiting.put_nowait(None)
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while not (self._closing and self._waiting.empty()):
            mail = self._waiting.get()
            if mail is not None:
                self._enqueue(mail)

    def _enqueue(self, mail: UUID) -> None:
        message = Message[None](queue_name=QUEUE, actor_name=ACTOR, args=(str(mail),), kwargs={}, options={})
        try:
            self._broker.enqueue(message)
        except Exception as problem:
            # Logged once per outage: one line per mail would hide other messages.
            if self._reachable:
                log.warning(
                    "mail_notification_failed: workers will find the mails by polling: %s", type(problem).__name__
                )
            self._reachable = False
        else:
            self._reachable = True
