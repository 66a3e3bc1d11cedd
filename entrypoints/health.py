"""Which parts of the house answer, for the readiness page."""

import asyncio
from dataclasses import dataclass

from adapters.redis_blocklist import RedisBlocklist
from application.ports import Floors
from domain.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Health:
    floors: Floors
    blocklist: RedisBlocklist

    async def down(self) -> list[str]:
        """The names of the parts that do not answer."""
        database, redis = await asyncio.gather(self._database_answers(), self.blocklist.answers())
        return [name for name, answers in (("database", database), ("redis", redis)) if not answers]

    async def _database_answers(self) -> bool:
        try:
            await self.floors.floors([])
        except Refusal:
            return False
        return True
