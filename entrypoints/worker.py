"""`python -m entrypoints.worker`: sends queued mails when it is notified, and polls for them otherwise. It also
purges expired rows.

The process has no state of its own: the outbox holds the queued mails, and a mail whose worker died is due again
when its lease ends. So Redis may be down, and notifications may be lost or duplicated.
"""

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from random import SystemRandom
from uuid import UUID

if __name__ != "entrypoints.worker":
    # Only when run, not when imported: exit silently on a signal before `run` installs its handlers.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # see `entrypoints/api.py`

import dramatiq
import structlog
from dramatiq.middleware import Middleware

from adapters.redis.dramatiq_queue import ACTOR, QUEUE, make_broker
from application.deliver_mail import DeliverMail
from application.keep_house import KeepHouse
from domain.refusals import Refusal
from entrypoints.container import Container, close
from entrypoints.housekeeper import Housekeeper
from entrypoints.logs import configure_logs, warn_about_settings
from entrypoints.schema import SchemaError, insist_at_start
from entrypoints.settings import SettingsError, load
from entrypoints.worker_loop import worker_loop

gc.freeze()
gc.enable()

SENDING = 8
"""How many letters a process sends at the same time."""

SLOW, WAITING = 2.0, 32
"""Seconds after which a send makes room for the next one, and how many may then go on beside those that are sent: a
server that takes minutes to answer holds up no letter that another would take at once."""

SHARE, QUICK = 16, 1.0
"""How many mails are leased at once at most, and the seconds within which a share should be dealt with."""

LOOK, JOIN = 1.0, 5.0
"""Seconds between two looks at what is owed, of one lane that looks by itself, and of the others that join it."""

GRACE = 10.0
"""Seconds that running sends get when the process is told to stop."""

log = structlog.get_logger(__name__)
_jitter = SystemRandom()


class Postman(Middleware):
    """Delivers on the event loop that the AsyncIO middleware runs, which therefore has to come before."""

    def __init__(self, deliver: DeliverMail, *, close: Callable[[], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._close = close
        self._slots = asyncio.Semaphore(SENDING)
        self._slow: set[asyncio.Task[int]] = set()
        self._stopping = asyncio.Event()
        self._failing = False

    async def nudged(self, mail_id: str) -> None:
        await self._some(only=UUID(mail_id))

    def after_worker_boot(self, *_: object) -> None:
        for lane in range(SENDING):
            asyncio.run_coroutine_threadsafe(self._sweep(pause=LOOK if lane == 0 else JOIN), worker_loop())

    def before_worker_shutdown(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._finish(), worker_loop()).result()

    def after_worker_shutdown(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._leave(), worker_loop()).result()

    async def _sweep(self, *, pause: float) -> None:
        share = 1
        while not self._stopping.is_set():
            began = time.monotonic()
            due = await self._some(limit=share)
            # Taking many at once is cheaper, but nothing may wait behind a slow server that another lane could send.
            hurry = due == share and time.monotonic() - began < QUICK
            share = min(2 * share, SHARE) if hurry else 1
            if due == 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause * _jitter.uniform(0.5, 1.0))

    async def _some(self, *, only: UUID | None = None, limit: int = 1) -> int:
        """Returns while it goes on where that takes long, if there is room beside."""
        async with self._slots:
            if self._stopping.is_set():
                return 0
            sending = asyncio.create_task(self._send(only=only, limit=limit))
            await asyncio.wait({sending}, timeout=SLOW)
            if sending.done() or len(self._slow) >= WAITING:
                return await sending
            self._slow.add(sending)
            sending.add_done_callback(self._slow.discard)
            return 1

    async def _send(self, *, only: UUID | None, limit: int) -> int:
        """Never raises: whatever is wrong, the mail stays owed, and the next one may be fine."""
        try:
            due = await self._deliver(only=only, limit=limit, stopping=self._stopping.is_set)
        except Exception as problem:
            # Once an outage, and without its text, which may name addresses.
            if not self._failing:
                name = problem.code if isinstance(problem, Refusal) else type(problem).__name__
                log.error("mail_delivery_paused", problem=name)
            self._failing = True
            return 0
        self._failing = False
        return due

    async def _finish(self) -> None:
        self._stopping.set()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            _, stuck = await asyncio.wait(others, timeout=GRACE)
            # Those that were sent entirely may have been taken, and are tried again much later; the others are due
            # again when their leases end.
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)

    async def _leave(self) -> None:
        await self._close()


def run(deliver: DeliverMail, keep_house: KeepHouse, *, redis_url: str, close: Callable[[], Awaitable[None]]) -> None:
    """Until SIGTERM or SIGINT; a second one does not wait. `close` is awaited last, on the loop of the sends."""
    told: SimpleQueue[int] = SimpleQueue()  # unlike an Event, it may be used within a signal handler

    def tell(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        told.put(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    broker = make_broker(redis_url, deadline=2.0)
    broker.add_middleware(Housekeeper(keep_house))
    postman = Postman(deliver, close=close)
    broker.add_middleware(postman)
    dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=broker)(postman.nudged)
    worker = dramatiq.Worker(broker, worker_threads=SENDING)
    worker.start()
    log.info("worker_started")
    log.info("worker_stopping", signal=told.get())
    # The sends have had their time by then; what is left are threads, which without Redis would never end.
    worker.stop(timeout=1000)
    broker.client.close()


def main() -> None:
    try:
        settings = load(mails=True)
        container = Container(settings=settings)
        insist_at_start(container.database())
    except (SettingsError, SchemaError) as error:
        sys.exit(f"Latchkey cannot start.\n{error}")
    configure_logs(settings)
    warn_about_settings(settings)
    run(
        container.deliver_mail(),
        container.keep_house(),
        redis_url=settings.redis_url,
        close=partial(close, container),
    )


if __name__ == "__main__":
    main()
