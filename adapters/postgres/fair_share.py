"""How many works callers may have in the database at the same time, so that none of them occupies the whole pool."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from adapters.caller import current_caller
from adapters.postgres.database import POOL_SIZE
from adapters.postgres.deadline import within_deadline
from domain.refusals import ErrorCode, Refusal

OF_A_USER, OF_A_SITE = 1, POOL_SIZE // 2
"""A user's works queue for one connection, those of a site for half of the pool."""


class FairShare:
    """Of one process. Work without a caller, in a worker or at the command line, is not held up."""

    def __init__(self) -> None:
        # A semaphore exists as long as a task holds it or waits for it.
        self._semaphores = WeakValueDictionary[Hashable, asyncio.Semaphore]()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises `overloaded` where the caller's own works take too long. Not to be nested."""
        caller = current_caller()
        async with AsyncExitStack() as held:
            if caller is not None:
                try:
                    async with within_deadline():
                        if caller.user is not None:
                            await held.enter_async_context(self._semaphore(caller.user, OF_A_USER))
                        await held.enter_async_context(self._semaphore(caller.site, OF_A_SITE))
                except TimeoutError:
                    raise Refusal(ErrorCode.OVERLOADED, "Too many requests at once.", retry_after=1) from None
            yield

    def _semaphore(self, key: Hashable, most: int) -> asyncio.Semaphore:
        found = self._semaphores.get(key)
        if found is None:
            found = self._semaphores[key] = asyncio.Semaphore(most)
        return found
