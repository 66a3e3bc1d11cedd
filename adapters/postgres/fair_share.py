"""Limits the connections that one user or network uses at a time, so that none occupies the whole pool."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from adapters.caller import current_caller
from adapters.postgres.database import POOL_SIZE
from adapters.postgres.deadline import within_deadline
from domain.refusals import ErrorCode, Refusal

MAX_PER_USER, MAX_PER_SITE = 1, POOL_SIZE // 2
"""A user gets one connection at a time, a network half of the pool."""


class FairShare:
    """Per process. Does not limit workers and the command line, which have no caller."""

    def __init__(self) -> None:
        # Semaphores live as long as a task holds them or waits for them.
        self._semaphores = WeakValueDictionary[Hashable, asyncio.Semaphore]()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises `overloaded` if the caller's other transactions take too long. Must not be nested."""
        caller = current_caller()
        async with AsyncExitStack() as semaphores:
            if caller is not None:
                try:
                    async with within_deadline():
                        if caller.user is not None:
                            await semaphores.enter_async_context(self._semaphore(caller.user, MAX_PER_USER))
                        await semaphores.enter_async_context(self._semaphore(caller.site, MAX_PER_SITE))
                except TimeoutError:
                    raise Refusal(ErrorCode.OVERLOADED, "Too many requests at once.", retry_after=1) from None
            yield

    def _semaphore(self, key: Hashable, most: int) -> asyncio.Semaphore:
        semaphore = self._semaphores.get(key)
        if semaphore is None:
            semaphore = self._semaphores[key] = asyncio.Semaphore(most)
        return semaphore
