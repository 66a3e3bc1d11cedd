"""What an API process does beside its requests, from its start to its end."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from litestar import Litestar

from entrypoints.container import Container, close
from entrypoints.observability.metrics import Metrics

HASHING_INTERVAL = 0.25
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
        metrics.set_hashing(0, 0)  # other processes go on to count this one


async def reload_signing_keys(reload: Callable[[], None]) -> None:
    """In a thread: the keys may lie on a mount that hangs."""
    while True:
        await asyncio.sleep(KEYS_INTERVAL)
        try:
            await asyncio.to_thread(reload)
        except Exception as error:
            log.error("signing_keys_check_failed", exc_info=error)


async def compare_revocations(container: Container) -> None:
    """Check whether PostgreSQL knows every revocation that Redis holds."""
    while True:
        await container.lost_revocations().look_if_possible()
        await asyncio.sleep(REVOCATIONS_INTERVAL)


def lifespan(container: Container) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: Litestar) -> AsyncIterator[None]:
        renewal = container.blocklist_renewal()
        await renewal.start()
        tasks = [
            asyncio.create_task(report_hashing(container.hashing_load(), app.state.metrics)),
            asyncio.create_task(reload_signing_keys(container.signing_keys().reload)),
            asyncio.create_task(compare_revocations(container)),
        ]
        # What exists now stays, so the collector need not look at it again, which takes tens of milliseconds.
        gc.freeze()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, renewal.stop(), return_exceptions=True)
            await close(container)

    return run
