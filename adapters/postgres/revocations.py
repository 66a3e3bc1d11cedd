"""The store of revocations, read outside of transactions. Concurrent callers share a query."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Interval, Uuid, and_, any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from adapters.batching import Batcher
from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from adapters.postgres.deadline import DEADLINE, within_deadline
from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.rows import MIN_GENERATION
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import blocklist_primary, sessions
from adapters.revocations import BlocklistPrimary, RevocationStore

_MIN_GENERATIONS = select(sessions.c.id, MIN_GENERATION)
_OF_SESSIONS = CompiledStatement(_MIN_GENERATIONS.where(sessions.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))))
_REVOKED = CompiledStatement(
    _MIN_GENERATIONS.where(sessions.c.revoked_at >= func.now() - bindparam("within", type_=Interval))
)
_PENDING = CompiledStatement(_MIN_GENERATIONS.where(sessions.c.revocation_pending))
_PRIMARY = CompiledStatement(
    select(blocklist_primary.c.run_id.label("run_id"), blocklist_primary.c.epoch.label("epoch"))
)


def _mark_published() -> CompiledStatement:
    ids, values = bindparam("ids", type_=ARRAY(Uuid)), bindparam("values", type_=ARRAY(Integer))
    published = func.unnest(ids, values).table_valued("id", "min_generation", name="published").render_derived()
    # A locked row is about to be revoked further, so it is skipped without waiting.
    same = (
        select(sessions.c.id)
        .join(published, and_(sessions.c.id == published.c.id, published.c.min_generation == MIN_GENERATION))
        .with_for_update(of=sessions, skip_locked=True)
        .cte("same")
    )
    return CompiledStatement(update(sessions).where(sessions.c.id == same.c.id).values(revocation_pending=False))


_MARK_PUBLISHED = _mark_published()


class PostgresRevocationStore(RevocationStore):
    def __init__(self, database: Database) -> None:
        self._database = database
        self._batched = Batcher(self._read_batch)

    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        # The deadline includes the wait for the batch before this one.
        with outages_as_refusals():
            async with within_deadline():
                known = await self._batched(sessions)
        return {session: known[session] for session in sessions if session in known}

    async def revoked(self, *, within: timedelta) -> Mapping[UUID, int]:
        return await self._read(_REVOKED, within=within)

    async def pending(self) -> Mapping[UUID, int]:
        return await self._read(_PENDING)

    async def mark_published(self, min_generations: Mapping[UUID, int]) -> None:
        async with self._connection() as connection:
            ids, values = list(min_generations), list(min_generations.values())
            await connection.execute(_MARK_PUBLISHED, ids=ids, values=values)

    async def primary(self) -> BlocklistPrimary | None:
        async with self._connection() as connection:
            row = await connection.fetch_row(_PRIMARY)
        return None if row is None else BlocklistPrimary(row["run_id"], row["epoch"])

    async def promote(self, run_id: str, *, after: BlocklistPrimary | None) -> None:
        promotion = (
            insert(blocklist_primary).values(run_id=run_id).on_conflict_do_nothing()
            if after is None
            else update(blocklist_primary)
            .where(blocklist_primary.c.epoch == after.epoch)
            .values(run_id=run_id, epoch=after.epoch + 1)
        )
        async with self._connection() as connection:
            await connection.execute(promotion)

    async def _read_batch(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        # An array is one parameter, so the statement is the same for any number of sessions.
        return await self._read(_OF_SESSIONS, ids=list(sessions))

    async def _read(self, statement: CompiledStatement, **parameters: object) -> Mapping[UUID, int]:
        async with self._connection() as connection:
            return {row["id"]: row["min_generation"] for row in await connection.fetch(statement, **parameters)}

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        with outages_as_refusals():
            async with asyncio.timeout(DEADLINE), self._database.connection() as connection:
                yield connection
