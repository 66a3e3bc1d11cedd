"""Statements on one connection of the pool."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg

from adapters.postgres.errors import is_answer
from adapters.postgres.statements import Statement, compiled

T = TypeVar("T")
Row = Any
"""`asyncpg.Record`, whose columns are read by name: `row["id"]`."""


class Connection:
    """Used by one task at a time. Outside of `transaction`, each statement commits by itself. Raises the driver's
    errors. A connection that was interrupted in the middle of a statement is closed."""

    def __init__(self, driver: Any, *, on_error: Callable[[BaseException], Awaitable[None]]) -> None:
        self._driver = driver
        self._on_error = on_error
        self._closed = self._failed = False

    async def fetch(self, statement: Statement, **parameters: object) -> Sequence[Row]:
        it = compiled(statement)
        rows: Sequence[Row] = await self._run(self._driver.fetch, it.text, *it.arguments(parameters))
        return rows

    async def fetch_row(self, statement: Statement, **parameters: object) -> Row | None:
        """The first row."""
        rows = await self.fetch(statement, **parameters)
        return rows[0] if rows else None

    async def fetch_column(self, statement: Statement, **parameters: object) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in await self.fetch(statement, **parameters)]

    async def fetch_value(self, statement: Statement, **parameters: object) -> Any:
        """The first value of the first row; None where there is none."""
        row = await self.fetch_row(statement, **parameters)
        return None if row is None else row[0]

    async def execute(self, statement: Statement, **parameters: object) -> int:
        """The number of rows changed."""
        it = compiled(statement)
        status: str = await self._run(self._driver.execute, it.text, *it.arguments(parameters))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commits the block or rolls it back. Raises RuntimeError if a failed statement was ignored: the server would
        silently roll back at the commit."""
        async with self._block(self._driver.transaction(isolation="read_committed")):
            yield

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A nested transaction: a failure rolls back the block alone."""
        async with self._block(self._driver.transaction()):
            yield

    @asynccontextmanager
    async def _block(self, block: Any) -> AsyncIterator[None]:
        await self._run(block.start)
        self._failed = False
        try:
            yield
            if self._failed:
                raise RuntimeError("a statement of this transaction failed, so the transaction was rolled back")
        except Exception:
            if not self._closed:
                with suppress(Exception):  # report the first error
                    await self._run(block.rollback)
                    self._failed = False
            raise
        except BaseException:
            self._close()
            raise
        await self._run(block.commit)

    async def _run(self, call: Callable[..., Awaitable[T]], *arguments: object) -> T:
        try:
            return await call(*arguments)  # raises at once if the connection is closed
        except BaseException as error:
            self._failed = True
            if not is_answer(error):
                self._close()
            await self._on_error(error)
            raise

    def _close(self) -> None:
        """Without waiting for the server, which may not answer."""
        self._closed = True
        with suppress(asyncpg.InterfaceError):  # already closed by the driver
            self._driver.terminate()
