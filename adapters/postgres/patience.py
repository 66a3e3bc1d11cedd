"""Database deadline of a request: for all its transactions and statements together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from adapters.postgres.connecting import DEADLINE


class _Budget:
    """Seconds that a caller is still willing to wait."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = DEADLINE


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


def one_caller() -> None:
    """From here on this task asks on behalf of one caller. Who has none (a worker) may wait as long every time."""
    _budget.set(_Budget())


@asynccontextmanager
async def patience(most: float = DEADLINE) -> AsyncIterator[None]:
    """Raises TimeoutError once the caller has waited long enough; `most` are the seconds of this one wait."""
    budget, now = _budget.get(), asyncio.get_running_loop().time
    began = now()
    try:
        async with asyncio.timeout(most if budget is None else min(most, max(budget.left, 0))):
            yield
    finally:
        if budget is not None:
            budget.left -= now() - began
