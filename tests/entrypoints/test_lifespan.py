"""Background tasks of an API process."""

import asyncio

import pytest
import structlog

from entrypoints.http.lifespan import repeat

pytestmark = pytest.mark.anyio


async def test_task_continues_after_an_unexpected_error() -> None:
    runs = 0

    async def act() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise LookupError("unexpected")
        if runs == 3:
            done.set()

    done = asyncio.Event()
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(repeat(act, interval=0.001, failure="check_failed"))
        async with asyncio.timeout(10):
            await done.wait()
        task.cancel()
    assert [(it["event"], it["log_level"]) for it in logs] == [("check_failed", "error")]
