"""What an API process does beside its requests, from its start to its end."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

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


async def repeat(act: Callable[[], Awaitable[object]], *, interval: float, failure: str, delay: float = 0) -> None:
    """Every `interval` seconds, after `delay`. Goes on after an unexpected error, logged as the event `failure`."""
    await asyncio.sleep(delay)
    while True:
        try:
            await act()
        except Exception as error:
            log.error(failure, exc_info=error)
        await asyncio.sleep(interval)


def lifespan(container: Container) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: Litestar) -> AsyncIterator[None]:
        renewal = container.blocklist_renewal()
        await renewal.start()
        tasks = [
            asyncio.create_task(report_hashing(container.hashing_load(), app.state.metrics)),
            asyncio.create_task(
                # In a thread: the keys may lie on a mount that hangs.
                repeat(
                    partial(asyncio.to_thread, container.signing_keys().reload),
                    interval=KEYS_INTERVAL,
                    delay=KEYS_INTERVAL,
                    failure="signing_keys_check_failed",
                )
            ),
            asyncio.create_task(
                # Does PostgreSQL know every revocation that Redis holds?
                repeat(
                    container.lost_revocations().look_if_possible,
                    interval=REVOCATIONS_INTERVAL,
                    failure="revocations_check_failed",
                )
            ),
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
