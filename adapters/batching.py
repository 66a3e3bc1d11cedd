"""Batches concurrent calls. A call never joins a batch that has already been sent."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class Batcher(Generic[Key, Answer]):
    """Joins the keys of all waiting callers into one call of `load`, and gives each of them its answer.

    `load` starts after its last caller has arrived, so no answer is older than the call. A caller that is cancelled
    disturbs no other: each waits for a future of its own."""

    def __init__(self, load: Callable[[Collection[Key]], Awaitable[Answer]]) -> None:
        self._load = load
        self._waiting: list[tuple[Collection[Key], asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, keys: Collection[Key]) -> Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((keys, answer))
        if self._task is None:
            self._task = loop.create_task(self._dispatch())
        return await answer

    async def drain(self) -> None:
        """Return when no batch is waiting or in progress."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _dispatch(self) -> None:
        batch: list[tuple[Collection[Key], asyncio.Future[Answer]]] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    result = await self._load({key for keys, _ in batch for key in keys})
                except Exception as error:
                    for answer in _still_waiting(batch):
                        answer.set_exception(error)
                else:
                    for answer in _still_waiting(batch):
                        answer.set_result(result)
        finally:
            self._task = None
            batch += self._waiting
            self._waiting = []
            for answer in _still_waiting(batch):  # cancelled: no caller may wait forever
                answer.cancel()


def _still_waiting(batch: Iterable[tuple[object, asyncio.Future[Answer]]]) -> Iterator[asyncio.Future[Answer]]:
    return (answer for _, answer in batch if not answer.done())
