"""Nudges through Dramatiq and Redis: only the ids of mails stand there, and losing them costs a second.

Messages are enqueued by the actor's name, so that the sender never imports a worker.
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

from adapters.redis_connections import synchronous
from adapters.redis_places import DEADLINE

ACTOR = "deliver_mail"
QUEUE = "mail"

BACKLOG = 1000
"""Nudges that wait in a process at most."""

log = logging.getLogger(__name__)


@contextmanager
def _silence_as_loss() -> Iterator[None]:
    try:
        yield
    except RedisTimeout as error:
        lost: Callable[[Exception], Exception] = ConnectionClosed  # untyped where it comes from
        raise lost(error) from None


class _Consumer(Consumer):
    """Dramatiq takes a Redis that refuses for an outage, and one that is silent for a mistake of its own: three
    tracebacks a second."""

    def __init__(self, usual: Consumer) -> None:
        self._usual = usual

    def __next__(self) -> MessageProxy | None:
        with _silence_as_loss():
            return next(self._usual)

    def ack(self, message: MessageProxy) -> None:
        with _silence_as_loss():
            self._usual.ack(message)

    def nack(self, message: MessageProxy) -> None:
        with _silence_as_loss():
            self._usual.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._usual.requeue(messages)

    def close(self) -> None:
        self._usual.close()


class _Broker(RedisBroker):
    def consume(self, *given: Any, **options: Any) -> Consumer:
        return _Consumer(super().consume(*given, **options))


def make_broker(redis_url: str, *, deadline: float = DEADLINE) -> RedisBroker:
    """The broker for either side of the queue; `deadline` is in seconds, for each command. Connects when used."""
    set_encoder(JSONEncoder())
    broker: Callable[..., RedisBroker] = _Broker  # untyped where it comes from
    return broker(
        client=synchronous(redis_url, deadline=deadline),
        # Its scripts make up names of keys, which a cluster allows as long as all are in one slot.
        namespace="{latchkey}",
        # One event loop for the worker, and nothing else: neither results, nor retries, nor metrics by fork.
        middleware=[AsyncIO()],
        # Dramatiq's maintenance brings back what dead workers held, by `KEYS`, which halts a Redis full of
        # revocations. The outbox knows better what is owed, so there is nothing to bring back.
        maintenance_chance=0,
    )


class DramatiqNudge:
    """Plays `Nudge`: hands ids to a thread of its own, because Dramatiq enqueues synchronously."""

    def __init__(self, redis_url: str, *, backlog: int = BACKLOG) -> None:
        self._broker = make_broker(redis_url)
        self._waiting: Queue[UUID | None] = Queue(backlog)
        self._closing = False
        self._reachable = True
        self._thread = threading.Thread(target=self._run, name="nudge", daemon=True)
        self._thread.start()

    def __call__(self, mails: Sequence[UUID]) -> None:
        # Full means that Redis is slow or gone; the sweepers of the workers find the mails without it.
        with suppress(Full):
            for mail in mails:
                self._waiting.put_nowait(mail)

    def close(self) -> None:
        """Gives what waits one second to get out."""
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
            # Once an outage: a line a mail would drown what matters.
            if self._reachable:
                log.warning(
                    "mail_notification_failed: workers will find the mails by polling: %s", type(problem).__name__
                )
            self._reachable = False
        else:
            self._reachable = True
