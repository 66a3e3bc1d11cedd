"""The truth about sessions, read outside of any transaction. Callers of one moment share a round trip."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, bindparam, case, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.tables import sessions
from adapters.round_trip import RoundTrip
from application.ports import Floors
from domain.session import ENDED

_floor = case((sessions.c.ended_at.is_not(None), ENDED), else_=sessions.c.floor).label("floor")


class PostgresFloors(Floors):
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._shared = RoundTrip(self._ask)

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        return await self._shared(sessions)

    async def raised(self, *, since: datetime) -> Mapping[UUID, int]:
        return await self._read(select(sessions.c.id, _floor).where(sessions.c.raised_at >= since))

    async def unpublished(self) -> Mapping[UUID, int]:
        return await self._read(select(sessions.c.id, _floor).where(sessions.c.unpublished))

    async def published(self, floors: Mapping[UUID, int]) -> None:
        same = update(sessions).where(sessions.c.id == bindparam("session"), _floor == bindparam("raised"))
        pairs = [{"session": session, "raised": floor} for session, floor in floors.items()]
        with outages_as_refusals():
            async with self._engine.connect() as connection:
                await connection.execute(same.values(unpublished=False), pairs)

    async def _ask(self, wanted: Collection[UUID]) -> Mapping[UUID, int]:
        return await self._read(select(sessions.c.id, _floor).where(sessions.c.id.in_(wanted)))

    async def _read(self, statement: Select[tuple[UUID, int]]) -> Mapping[UUID, int]:
        with outages_as_refusals():
            async with self._engine.connect() as connection:
                return {row.id: row.floor for row in await connection.execute(statement)}
