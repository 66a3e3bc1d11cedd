"""The truth about sessions, read outside of any transaction. Callers of one moment share a round trip."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Interval, Uuid, and_, any_, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert

from adapters.batching import Batcher
from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from adapters.postgres.deadline import DEADLINE, within_deadline
from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import seats, sessions
from application.ports import Floors, Seat
from domain.session import ENDED

_floor = case((sessions.c.ended_at.is_not(None), ENDED), else_=sessions.c.floor).label("floor")
_FLOORS = select(sessions.c.id, _floor)
_OF = CompiledStatement(_FLOORS.where(sessions.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))))
_RAISED = CompiledStatement(_FLOORS.where(sessions.c.raised_at >= func.now() - bindparam("within", type_=Interval)))
_UNPUBLISHED = CompiledStatement(_FLOORS.where(sessions.c.unpublished))
_SEAT = CompiledStatement(select(seats.c.server, seats.c.number))


def _published() -> CompiledStatement:
    ids, floors = bindparam("ids", type_=ARRAY(Uuid)), bindparam("floors", type_=ARRAY(Integer))
    said = func.unnest(ids, floors).table_valued("id", "floor", name="said").render_derived()
    # A locked row is about to be raised again, so it is skipped without waiting.
    same = (
        select(sessions.c.id)
        .join(said, and_(sessions.c.id == said.c.id, _floor == said.c.floor))
        .with_for_update(of=sessions, skip_locked=True)
        .cte("same")
    )
    return CompiledStatement(update(sessions).where(sessions.c.id == same.c.id).values(unpublished=False))


_PUBLISHED = _published()


class PostgresFloors(Floors):
    def __init__(self, database: Database) -> None:
        self._database = database
        self._shared = Batcher(self._ask)

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        # A late caller also waits for the round trip before its own.
        with outages_as_refusals():
            async with within_deadline():
                known = await self._shared(sessions)
        return {session: known[session] for session in sessions if session in known}

    async def raised(self, *, within: timedelta) -> Mapping[UUID, int]:
        return await self._read(_RAISED, within=within)

    async def unpublished(self) -> Mapping[UUID, int]:
        return await self._read(_UNPUBLISHED)

    async def published(self, floors: Mapping[UUID, int]) -> None:
        async with self._asking() as connection:
            await connection.execute(_PUBLISHED, ids=list(floors), floors=list(floors.values()))

    async def seat(self) -> Seat | None:
        async with self._asking() as connection:
            row = await connection.fetch_row(_SEAT)
        return None if row is None else Seat(row["server"], row["number"])

    async def take_seat(self, server: str, *, after: Seat | None) -> None:
        taken = (
            insert(seats).values(server=server).on_conflict_do_nothing()
            if after is None
            else update(seats).where(seats.c.number == after.number).values(server=server, number=after.number + 1)
        )
        async with self._asking() as connection:
            await connection.execute(taken)

    async def _ask(self, wanted: Collection[UUID]) -> Mapping[UUID, int]:
        # An array is one parameter, so the statement stays the same however many ask.
        return await self._read(_OF, ids=list(wanted))

    async def _read(self, statement: CompiledStatement, **asked: object) -> Mapping[UUID, int]:
        async with self._asking() as connection:
            return {row["id"]: row["floor"] for row in await connection.fetch(statement, **asked)}

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Connection]:
        with outages_as_refusals():
            async with asyncio.timeout(DEADLINE), self._database.connection() as connection:
                yield connection
