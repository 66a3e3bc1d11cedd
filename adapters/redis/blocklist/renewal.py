"""The background task that renews the blocklist's lease."""

import asyncio
import contextlib
import logging

from adapters.redis.blocklist.blocklist import RedisBlocklist
from domain.refusals import Refusal

RENEW_INTERVAL = 0.25
"""Seconds between two renewals: a quarter of the lease."""

log = logging.getLogger(__name__)


class BlocklistRenewal:
    """Renews at the start, then every `interval` seconds until it is stopped. Without it every request asks
    PostgreSQL."""

    def __init__(self, blocklist: RedisBlocklist, *, interval: float = RENEW_INTERVAL) -> None:
        self._blocklist = blocklist
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return after the first renewal."""
        await self._renew()
        self._task = asyncio.create_task(self._run(), name="blocklist-renewal")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self._renew()

    async def _renew(self) -> None:
        """Requests report an outage of PostgreSQL themselves. An unexpected error must not end the task."""
        try:
            await self._blocklist.renew()
        except Refusal:
            pass
        except Exception as error:
            log.error("blocklist_renewal_failed", exc_info=error)
