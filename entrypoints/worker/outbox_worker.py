"""Delivers queued mails: each one when a notification names it, and by polling the outbox otherwise."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import structlog
from dramatiq.middleware import Middleware

from application.mail.deliver_mail import DeliverMail
from entrypoints.worker.background import error_name, pause, worker_loop

CONCURRENCY = 8
"""Mails that a process sends at the same time."""

SLOW_SECONDS, MAX_SLOW = 2.0, 32
"""Seconds after which a send continues in the background while the next one starts, and the most such sends. So a
server that takes minutes to answer does not delay mails to other servers."""

MAX_BATCH, FAST_BATCH_SECONDS = 16, 1.0
"""The most mails that are leased at once, and the seconds within which a batch counts as fast."""

POLL_INTERVAL, IDLE_POLL_INTERVAL = 1.0, 5.0
"""Seconds between two polls of the first task, and of the other tasks, which only help when there is work."""

SHUTDOWN_GRACE = 10.0
"""Seconds that running sends get when the process is stopped."""

log = structlog.get_logger(__name__)


class OutboxWorker(Middleware):
    """Runs on the event loop of Dramatiq's AsyncIO middleware, which therefore has to be registered before."""

    def __init__(self, deliver: DeliverMail, *, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._deliver = deliver
        self._close = close
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._slow: set[asyncio.Task[int]] = set()
        self._stopping = asyncio.Event()
        self._failing = False

    async def on_message(self, mail_id: str) -> None:
        await self._deliver_batch(only=UUID(mail_id))

    def after_worker_boot(self, *_: object) -> None:
        for number in range(CONCURRENCY):
            interval = POLL_INTERVAL if number == 0 else IDLE_POLL_INTERVAL
            asyncio.run_coroutine_threadsafe(self._poll(interval), worker_loop())

    def before_worker_shutdown(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._finish(), worker_loop()).result()

    def after_worker_shutdown(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), worker_loop()).result()

    async def _poll(self, interval: float) -> None:
        batch = 1
        while not self._stopping.is_set():
            began = time.monotonic()
            due = await self._deliver_batch(limit=batch)
            # A larger batch is cheaper, but no mail may wait behind a slow server if another task could send it.
            fast = due == batch and time.monotonic() - began < FAST_BATCH_SECONDS
            batch = min(2 * batch, MAX_BATCH) if fast else 1
            if due == 0:
                await pause(interval, stopping=self._stopping)

    async def _deliver_batch(self, *, only: UUID | None = None, limit: int = 1) -> int:
        """Return how many mails were due. A slow send goes on in the background, while there is room."""
        async with self._slots:
            if self._stopping.is_set():
                return 0
            sending = asyncio.create_task(self._send(only=only, limit=limit))
            await asyncio.wait({sending}, timeout=SLOW_SECONDS)
            if sending.done() or len(self._slow) >= MAX_SLOW:
                return await sending
            self._slow.add(sending)
            sending.add_done_callback(self._slow.discard)
            return 1

    async def _send(self, *, only: UUID | None, limit: int) -> int:
        """Never raises: the mail stays in the outbox, and the next one may succeed."""
        try:
            due = await self._deliver(only=only, limit=limit, stopping=self._stopping.is_set)
        except Exception as error:
            if not self._failing:  # logged once per outage
                log.error("mail_delivery_paused", problem=error_name(error))
            self._failing = True
            return 0
        self._failing = False
        return due

    async def _finish(self) -> None:
        self._stopping.set()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            _, stuck = await asyncio.wait(others, timeout=SHUTDOWN_GRACE)
            # A mail that was sent completely may have been accepted, and is tried again much later; the others are
            # due again when their leases end.
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
