"""Records the statements sent to the database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from adapters.postgres.connection import Connection, Row
from adapters.postgres.database import Database
from adapters.postgres.statements import Statement, compiled

RecordedStatement = tuple[str, tuple[Any, ...]]
"""A statement and its parameters."""


class StatementRecorder:
    """Records every statement until `stop`."""

    def __init__(self, database: Database) -> None:
        assert isinstance(database, RecordingDatabase)
        self.statements: list[RecordedStatement] = []
        self.transactions = 0
        """The number of commits."""
        self._database = database
        database.listener = self

    def take(self) -> list[RecordedStatement]:
        """The statements sent since the last call."""
        recorded, self.statements = self.statements, []
        return recorded

    def stop(self) -> None:
        self._database.listener = None

    def record(self, statement: Statement, parameters: dict[str, object]) -> None:
        sent = compiled(statement)
        self.statements.append((sent.text, tuple(sent.arguments(parameters))))


class RecordingDatabase(Database):
    """A database whose statements a `StatementRecorder` records."""

    listener: StatementRecorder | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with super().connection() as connection:
            yield connection if self.listener is None else _RecordingConnection(connection, self.listener)


class _RecordingConnection(Connection):
    def __init__(self, connection: Connection, listener: StatementRecorder) -> None:
        self._connection = connection
        self._listener = listener

    async def fetch(self, statement: Statement, **parameters: object) -> Sequence[Row]:
        self._listener.record(statement, parameters)
        return await self._connection.fetch(statement, **parameters)

    async def execute(self, statement: Statement, **parameters: object) -> int:
        self._listener.record(statement, parameters)
        return await self._connection.execute(statement, **parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with self._connection.transaction():
            yield
        self._listener.transactions += 1

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        async with self._connection.savepoint():
            yield
