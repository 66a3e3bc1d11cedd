"""Background tasks of an API process."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import structlog
from litestar import Litestar

from domain.refusals import Refusal
from entrypoints.container import Container, close
from entrypoints.observability.metrics import Metrics

HASHING_INTERVAL = 0.25
RENEWAL_INTERVAL = 0.25  # a quarter of the blocklist's lease
KEYS_INTERVAL = 1.0
REVOCATIONS_INTERVAL = 30.0
"""Seconds between two runs of each task."""

log = structlog.get_logger()


async def report_hashing(load: Callable[[], tuple[int, int]], metrics: Metrics) -> None:
    try:
        while True:
            await asyncio.sleep(HASHING_INTERVAL)
            metrics.set_hashing(*load())
    finally:
        metrics.set_hashing(0, 0)  # other processes still count this one's requests


async def attempt(act: Callable[[], Awaitable[object]], *, failure: str) -> None:
    """Log an unexpected error as the event `failure`. Requests report an outage of PostgreSQL themselves."""
    try:
        await act()
    except Refusal:
        pass
    except Exception as error:
        log.error(failure, exc_info=error)


async def repeat(act: Callable[[], Awaitable[object]], *, interval: float, failure: str, delay: float = 0) -> None:
    """Attempt it after `delay` seconds and `interval` seconds after each attempt, until the task is cancelled."""
    await asyncio.sleep(delay)
    while True:
        await attempt(act, failure=failure)
        await asyncio.sleep(interval)


def lifespan(container: Container) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: Litestar) -> AsyncIterator[None]:
        renew, renewal_failure = container.blocklist().renew, "blocklist_renewal_failed"
        # Before the first request, because without the lease every request asks PostgreSQL.
        await attempt(renew, failure=renewal_failure)
        activities = [
            repeat(renew, interval=RENEWAL_INTERVAL, failure=renewal_failure, delay=RENEWAL_INTERVAL),
            # In a thread, because the keys may be on a mount that hangs.
            repeat(
                partial(asyncio.to_thread, container.signing_keys().reload),
                interval=KEYS_INTERVAL,
                failure="signing_keys_check_failed",
                delay=KEYS_INTERVAL,
            ),
            repeat(
                partial(asyncio.to_thread, container.encryption_keys().reload),
                interval=KEYS_INTERVAL,
                failure="encryption_keys_check_failed",
                delay=KEYS_INTERVAL,
            ),
            # Counts revocations that Redis holds and PostgreSQL does not know.
            repeat(
                container.lost_revocations().count_if_possible,
                interval=REVOCATIONS_INTERVAL,
                failure="revocations_check_failed",
            ),
            report_hashing(container.hashing_load(), app.state.metrics),
        ]
        tasks = [asyncio.create_task(activity) for activity in activities]
        # Excludes the objects that exist now from garbage collection: scanning them would take tens of milliseconds.
        gc.freeze()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await close(container)

    return run
