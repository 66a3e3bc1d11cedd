"""The truth about sessions, read outside of any transaction. Callers of one moment share a round trip."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Select, Uuid, and_, any_, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connecting import DEADLINE
from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.patience import patience
from adapters.postgres.tables import seats, sessions
from adapters.round_trip import RoundTrip
from application.ports import Floors, Seat
from domain.session import ENDED

_floor = case((sessions.c.ended_at.is_not(None), ENDED), else_=sessions.c.floor).label("floor")


class PostgresFloors(Floors):
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._shared = RoundTrip(self._ask)

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        # Whoever joins late waits for the round trip before theirs as well.
        with outages_as_refusals():
            async with patience():
                known = await self._shared(sessions)
        return {session: known[session] for session in sessions if session in known}

    async def raised(self, *, within: timedelta) -> Mapping[UUID, int]:
        return await self._read(select(sessions.c.id, _floor).where(sessions.c.raised_at >= func.now() - within))

    async def unpublished(self) -> Mapping[UUID, int]:
        return await self._read(select(sessions.c.id, _floor).where(sessions.c.unpublished))

    async def published(self, floors: Mapping[UUID, int]) -> None:
        ids, values = literal(list(floors), ARRAY(Uuid)), literal(list(floors.values()), ARRAY(Integer))
        said = func.unnest(ids, values).table_valued("id", "floor", name="said").render_derived()
        # Whoever holds a row is about to raise it again, so it is left as it is, and nobody waits.
        same = (
            select(sessions.c.id)
            .join(said, and_(sessions.c.id == said.c.id, _floor == said.c.floor))
            .with_for_update(of=sessions, skip_locked=True)
            .cte("same")
        )
        with outages_as_refusals():
            async with asyncio.timeout(DEADLINE), self._engine.connect() as connection:
                await connection.execute(update(sessions).where(sessions.c.id == same.c.id).values(unpublished=False))

    async def seat(self) -> Seat | None:
        with outages_as_refusals():
            async with asyncio.timeout(DEADLINE), self._engine.connect() as connection:
                row = (await connection.execute(select(seats.c.server, seats.c.number))).one_or_none()
        return None if row is None else Seat(row.server, row.number)

    async def take_seat(self, server: str, *, after: Seat | None) -> None:
        taken = (
            insert(seats).values(server=server).on_conflict_do_nothing()
            if after is None
            else update(seats).where(seats.c.number == after.number).values(server=server, number=after.number + 1)
        )
        with outages_as_refusals():
            async with asyncio.timeout(DEADLINE), self._engine.connect() as connection:
                await connection.execute(taken)

    async def _ask(self, wanted: Collection[UUID]) -> Mapping[UUID, int]:
        # An array is one parameter, so the statement stays the same however many ask.
        asked = literal(list(wanted), ARRAY(Uuid))
        return await self._read(select(sessions.c.id, _floor).where(sessions.c.id == any_(asked)))

    async def _read(self, statement: Select[tuple[UUID, int]]) -> Mapping[UUID, int]:
        with outages_as_refusals():
            async with asyncio.timeout(DEADLINE), self._engine.connect() as connection:
                return {row.id: row.floor for row in await connection.execute(statement)}
