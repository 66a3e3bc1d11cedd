"""Batches concurrent calls. A call never joins a batch that has already been sent."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class RoundTrip(Generic[Key, Answer]):
    """Joins the keys of all callers that wait. A question is sent after its last caller arrived, so no answer is
    older than the call; and a caller that is cancelled takes nothing with it: each waits for a future of its own."""

    def __init__(self, ask: Callable[[Collection[Key]], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Collection[Key], asyncio.Future[Answer]]] = []
        self._flight: asyncio.Task[None] | None = None

    async def __call__(self, keys: Collection[Key]) -> Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((keys, answer))
        if self._flight is None:
            self._flight = loop.create_task(self._fly())
        return await answer

    async def landed(self) -> None:
        """Returns when nothing is under way."""
        while self._flight is not None:
            await asyncio.wait([self._flight])

    async def _fly(self) -> None:
        callers: list[tuple[Collection[Key], asyncio.Future[Answer]]] = []
        try:
            while self._waiting:
                callers, self._waiting = self._waiting, []
                try:
                    told = await self._ask({key for keys, _ in callers for key in keys})
                except Exception as error:
                    for answer in _who_wait(callers):
                        answer.set_exception(error)
                else:
                    for answer in _who_wait(callers):
                        answer.set_result(told)
        finally:
            self._flight = None
            callers += self._waiting
            self._waiting = []
            for answer in _who_wait(callers):  # cancelled: no caller may wait for ever
                answer.cancel()


def _who_wait(callers: Iterable[tuple[object, asyncio.Future[Answer]]]) -> Iterator[asyncio.Future[Answer]]:
    return (answer for _, answer in callers if not answer.done())
