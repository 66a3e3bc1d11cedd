"""Looks up users outside of transactions. Concurrent callers share a query."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from adapters.batching import Batcher
from adapters.postgres.database import Database
from adapters.postgres.deadline import DEADLINE, within_deadline
from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.rows import user_of
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import users
from adapters.postgres.user_queries import candidates
from application.ports import UserLookup
from domain.user import User

_ASKED = CompiledStatement(
    select(users).where(users.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))), users.c.deleted_at.is_(None))
)


class PostgresUserLookup(UserLookup):
    def __init__(self, database: Database) -> None:
        self._database = database
        self._shared = Batcher(self._ask)

    async def user(self, user_id: UUID) -> User | None:
        # A late caller also waits for the query before its own.
        with outages_as_refusals():
            async with within_deadline():
                return (await self._shared([user_id])).get(user_id)

    async def candidates(self, login: str) -> Sequence[User]:
        with outages_as_refusals():
            async with within_deadline(), self._database.connection() as connection:
                return await candidates(connection, login)

    async def _ask(self, wanted: Collection[UUID]) -> Mapping[UUID, User]:
        with outages_as_refusals():
            async with asyncio.timeout(DEADLINE), self._database.connection() as connection:
                return {row["id"]: user_of(row) for row in await connection.fetch(_ASKED, ids=list(wanted))}
