"""What is asked all day: put together by SQLAlchemy once, and from then on given to the driver as it is.

SQLAlchemy's own way to the driver costs about three times what the driver does; everything else goes that way. The
connections are the engine's own, in `AUTOCOMMIT`: they begin nothing by themselves.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import ClauseElement, make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.failovers import failovers_of, opened

T = TypeVar("T")

_DIALECT = make_url("postgresql+asyncpg://").get_dialect()()


class Record(asyncpg.Record):  # type: ignore[misc]  # the driver is untyped
    """A row that is read as SQLAlchemy's are."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def _mapping(self) -> "Record":
        return self


class Prepared:
    """One statement; its parameters are given by name. Raises what the driver raises."""

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT)
        self._text = str(compiled)
        self._names: Sequence[str] = compiled.positiontup or ()
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    async def rows(self, connection: AsyncConnection, **asked: object) -> list[Record]:
        found: list[Record] = await _told(connection, _driver_of(connection).fetch(self._text, *self._values(asked)))
        return found

    async def row(self, connection: AsyncConnection, **asked: object) -> Record | None:
        """The first, if there is any."""
        found = await self.rows(connection, **asked)
        return found[0] if found else None

    async def count(self, connection: AsyncConnection, **asked: object) -> int:
        """How many rows it has changed."""
        said: str = await _told(connection, _driver_of(connection).execute(self._text, *self._values(asked)))
        return int(said.rpartition(" ")[2])

    def _values(self, asked: dict[str, object]) -> list[object]:
        values = self._fixed | asked
        return [values[name] for name in self._names]


@asynccontextmanager
async def transaction(connection: AsyncConnection) -> AsyncIterator[None]:
    """All that is done on the connection meanwhile, prepared or not, or nothing of it."""
    driver = _driver_of(connection)
    try:
        await _told(connection, driver.execute("BEGIN ISOLATION LEVEL READ COMMITTED"))
    except asyncpg.PostgresError:
        _hang_up(connection)  # it is in the middle of something else
        raise
    try:
        yield
    except Exception:
        if not opened(connection).invalidated:
            with suppress(Exception):  # what went wrong first is what is told
                await _told(connection, driver.execute("ROLLBACK"))
        raise
    except BaseException:
        _hang_up(connection)
        raise
    if await _told(connection, driver.execute("COMMIT")) != "COMMIT":
        raise RuntimeError("what failed in a transaction was passed over, so all of it is undone")


async def _told(connection: AsyncConnection, asked: Awaitable[T]) -> T:
    """The answer. If the caller is cancelled, the connection is closed, because it may be busy or broken."""
    try:
        return await asked
    except BaseException as error:
        failovers_of(connection).noticed(error)
        if not _is_answer(error):
            _hang_up(connection)
        raise


def _is_answer(error: BaseException) -> bool:
    """Whether the server has said it; the driver raises some of these itself, in the middle of asking."""
    return isinstance(error, asyncpg.PostgresError) and error.severity is not None


def _driver_of(connection: AsyncConnection) -> Any:
    return opened(connection).connection.driver_connection


def _hang_up(connection: AsyncConnection) -> None:
    if not opened(connection).invalidated:
        opened(connection).invalidate()
