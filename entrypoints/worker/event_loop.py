"""The event loop that Dramatiq runs in a thread of the worker process."""

import asyncio

from dramatiq.asyncio import get_event_loop_thread


def worker_loop() -> asyncio.AbstractEventLoop:
    thread = get_event_loop_thread()
    if thread is None:
        raise RuntimeError("The worker has not started.")
    return thread.loop
