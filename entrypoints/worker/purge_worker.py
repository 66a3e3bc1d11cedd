"""Purges expired rows in the worker process, batch after batch, slowly."""

import asyncio

import structlog
from dramatiq.middleware import Middleware

from application.maintenance.purge_expired import FIRST_BATCH, PurgeExpired
from entrypoints.worker.background import error_name, pause, worker_loop

BATCH_PAUSE, PASS_PAUSE, ERROR_PAUSE = 1.0, 3600.0, 30.0
"""Seconds between two batches, between two passes, and after an error. Each pause is random, and at least half."""

log = structlog.get_logger(__name__)


class PurgeWorker(Middleware):
    """Must be registered before OutboxWorker, whose shutdown waits for every task on the loop."""

    def __init__(
        self,
        purge: PurgeExpired,
        *,
        batch_pause: float = BATCH_PAUSE,
        pass_pause: float = PASS_PAUSE,
        error_pause: float = ERROR_PAUSE,
    ) -> None:
        self._purge = purge
        self._batch_pause, self._pass_pause, self._error_pause = batch_pause, pass_pause, error_pause
        self._stopping = asyncio.Event()

    def after_worker_boot(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.work(), worker_loop())

    def before_worker_shutdown(self, *_: object) -> None:
        worker_loop().call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        self._stopping.set()

    async def work(self) -> None:
        """Run passes until `stop` is called. After an error the same batch is tried again."""
        cursor, removed, failing = FIRST_BATCH, 0, False
        while not self._stopping.is_set():
            try:
                count, following = await self._purge(cursor)
            except Exception as error:
                if not failing:  # logged once per outage
                    log.error("purge_failed", kind=cursor.kind, problem=error_name(error))
                failing = True
                await pause(self._error_pause, stopping=self._stopping)
                continue
            removed, failing = removed + count, False
            if following is None and removed:
                log.info("rows_purged", removed=removed)
                removed = 0
            await pause(self._pass_pause if following is None else self._batch_pause, stopping=self._stopping)
            cursor = following or FIRST_BATCH
