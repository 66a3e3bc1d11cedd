"""Which parts of the house answer, for the readiness page."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.redis_blocklist import RedisBlocklist


@dataclass(frozen=True, slots=True)
class Health:
    engine: AsyncEngine
    blocklist: RedisBlocklist

    async def down(self) -> list[str]:
        """The names of the parts that do not answer."""
        database, redis = await asyncio.gather(self._database_answers(), self.blocklist.answers())
        return [name for name, answers in (("database", database), ("redis", redis)) if not answers]

    async def _database_answers(self) -> bool:
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError):
            return False
        return True
