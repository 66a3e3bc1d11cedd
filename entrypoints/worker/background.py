"""Shared by the background tasks of the worker process."""

import asyncio
from contextlib import suppress
from random import SystemRandom

from dramatiq.asyncio import get_event_loop_thread

from domain.refusals import Refusal

_jitter = SystemRandom()


def worker_loop() -> asyncio.AbstractEventLoop:
    """The event loop that Dramatiq runs in a thread of the process."""
    thread = get_event_loop_thread()
    if thread is None:
        raise RuntimeError("The worker has not started.")
    return thread.loop


async def pause(seconds: float, *, stopping: asyncio.Event) -> None:
    """Wait a random time from half of `seconds` to all of it, or until the process stops."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds * _jitter.uniform(0.5, 1.0))


def error_name(error: Exception) -> str:
    """The type of an error for the log; its text may contain addresses."""
    return error.code if isinstance(error, Refusal) else type(error).__name__
