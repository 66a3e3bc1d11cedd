"""The deadline of a request: one time budget for all its transactions and statements."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

DEADLINE = 1.5
"""Seconds that a request waits for the database in all, so that an outage is reported within two."""


class _Budget:
    """The seconds that are left."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = DEADLINE


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


def start_deadline() -> None:
    """Start the budget of a request in this task. Without one (in a worker), each wait has the whole time."""
    _budget.set(_Budget())


@asynccontextmanager
async def within_deadline(most: float = DEADLINE) -> AsyncIterator[None]:
    """Raises TimeoutError when the budget is used up, or after `most` seconds of this wait."""
    budget, now = _budget.get(), asyncio.get_running_loop().time
    began = now()
    try:
        async with asyncio.timeout(most if budget is None else min(most, max(budget.left, 0))):
            yield
    finally:
        if budget is not None:
            budget.left -= now() - began
