"""Many callers, one question. Whoever asks while an answer is under way shares the next one, never that one."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class RoundTrip(Generic[Key, Answer]):
    """Joins the keys of all callers that wait. A question is sent after its last caller arrived, so no answer is
    older than the call; and a caller that is cancelled takes nothing with it."""

    def __init__(self, ask: Callable[[Collection[Key]], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._waiting: tuple[set[Key], asyncio.Future[Answer]] | None = None
        self._flight: asyncio.Task[None] | None = None

    async def __call__(self, keys: Collection[Key]) -> Answer:
        if self._waiting is None:
            self._waiting = set(), asyncio.get_running_loop().create_future()
        wanted, answer = self._waiting
        wanted.update(keys)
        if self._flight is None:
            self._flight = asyncio.create_task(self._fly())
        return await asyncio.shield(answer)

    async def landed(self) -> None:
        """Returns when nothing is under way."""
        while self._flight is not None:
            await asyncio.wait([self._flight])

    async def _fly(self) -> None:
        try:
            while self._waiting is not None:
                (wanted, answer), self._waiting = self._waiting, None
                try:
                    answer.set_result(await self._ask(wanted))
                except Exception as error:
                    answer.set_exception(error)
                    answer.exception()  # seen, even if every caller has gone
                finally:
                    answer.cancel()  # where there is neither, nobody shall wait for it
        finally:
            self._flight = None
            if self._waiting is not None:
                self._waiting[1].cancel()
                self._waiting = None
