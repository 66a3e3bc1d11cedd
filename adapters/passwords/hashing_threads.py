"""Tools of hashing threads: priority, and callers that disconnect."""

import asyncio
import os
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from adapters.caller import current_caller


async def cancel_when_hung_up(job: Future[Any]) -> None:
    """Cancel the job when its client disconnects, to make room for others."""
    caller = current_caller()
    if caller is not None and caller.hung_up is not None:
        await caller.hung_up()
        job.cancel()


def is_cancelled() -> bool:
    """Whether the calling task itself has been cancelled."""
    caller = asyncio.current_task()
    return caller is None or caller.cancelling() > 0


def lower_priority(niceness: int) -> None:
    """Lower the priority of this thread alone, where the platform can."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
