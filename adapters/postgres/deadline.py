"""How long a caller waits for the database: one budget for all transactions and statements of a request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

DEADLINE = 1.5
"""Seconds that a caller waits at most, however many statements it takes, so that an outage is reported within two."""


class _Budget:
    """Seconds that a caller is still willing to wait."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = DEADLINE


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


def start_deadline() -> None:
    """From here on this task works for one caller. A task without one (a worker's) may wait as long every time."""
    _budget.set(_Budget())


@asynccontextmanager
async def within_deadline(most: float = DEADLINE) -> AsyncIterator[None]:
    """Raises TimeoutError once the caller has waited long enough; `most` are the seconds of this one wait."""
    budget, now = _budget.get(), asyncio.get_running_loop().time
    began = now()
    try:
        async with asyncio.timeout(most if budget is None else min(most, max(budget.left, 0))):
            yield
    finally:
        if budget is not None:
            budget.left -= now() - began
