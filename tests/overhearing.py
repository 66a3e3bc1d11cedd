"""What is said to the database: by SQLAlchemy, and by those who speak to the driver themselves."""

import asyncio
import re
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

_ITS_OWN = re.compile(r"^BEGIN|^ROLLBACK|typeinfo_tree|'jit'")
"""Where transactions begin and fail, and what the driver asks to learn of types."""

Said = tuple[str, tuple[Any, ...]]
"""A statement and its parameters."""


class Overheard:
    """Everything from now on, until `leave`. The driver tells a turn of the event loop later."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.statements: list[Said] = []
        self.transactions = 0
        """How many were done for good."""
        self._engine = engine.sync_engine
        self._listening = True
        self._drivers = set[Any]()
        event.listen(self._engine, "before_cursor_execute", self._told)
        event.listen(self._engine, "checkout", self._met)

    async def taken(self) -> list[Said]:
        """What was said until now; from here on it begins anew."""
        await asyncio.sleep(0)
        taken, self.statements = self.statements, []
        return taken

    def leave(self) -> None:
        self._listening = False
        event.remove(self._engine, "before_cursor_execute", self._told)
        event.remove(self._engine, "checkout", self._met)
        for driver in self._drivers:
            driver.remove_query_logger(self._heard)

    def _told(self, *call: Any) -> None:
        self.statements.append((call[2], tuple(call[3])))

    def _met(self, connection: Any, *_: object) -> None:
        self._drivers.add(connection.driver_connection)
        connection.driver_connection.add_query_logger(self._heard)  # once, however often it is added

    def _heard(self, told: Any) -> None:
        words = told.query.strip("; ")
        if self._listening and words == "COMMIT":
            self.transactions += 1
        elif self._listening and words and not _ITS_OWN.search(words):
            self.statements.append((told.query, tuple(told.args)))
