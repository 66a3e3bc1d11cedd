"""What is said to the database."""

import asyncio
import re
from typing import Any, Self

from adapters.postgres.database import Database

_ITS_OWN = re.compile(r"^BEGIN|^ROLLBACK|^SAVEPOINT|^RELEASE|typeinfo_tree|'jit'")
"""Where transactions begin and fail, and what the driver asks to learn of types."""

Said = tuple[str, tuple[Any, ...]]
"""A statement and its parameters."""


class Overheard:
    """Everything from now on, until `leave`. The driver tells a turn of the event loop later."""

    def __init__(self, database: Database) -> None:
        """Before its first connection; later, use `of`."""
        self.statements: list[Said] = []
        self.transactions = 0
        """How many were committed."""
        self._database = database
        database.on_connect = self._listen

    @classmethod
    async def of(cls, database: Database) -> Self:
        await database.close()
        return cls(database)

    async def taken(self) -> list[Said]:
        """What was said since the last time."""
        await asyncio.sleep(0)
        taken, self.statements = self.statements, []
        return taken

    async def leave(self) -> None:
        self._database.on_connect = None
        await self._database.close()

    async def _listen(self, driver: Any) -> None:
        driver.add_query_logger(self._hear)

    def _hear(self, query: Any) -> None:
        words = query.query.strip("; ")
        if words == "COMMIT":
            self.transactions += 1
        elif words and not _ITS_OWN.search(words):
            self.statements.append((query.query, tuple(query.args)))
