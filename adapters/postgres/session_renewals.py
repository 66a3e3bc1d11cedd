"""Advances sessions (refresh) outside of units of work. Concurrent callers share a statement and a commit."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Interval, Uuid, bindparam, func, select, update
from sqlalchemy.types import TypeEngine

from adapters.batching import Batcher
from adapters.postgres.connection import Connection
from adapters.postgres.database import POOL_SIZE, Database
from adapters.postgres.deadline import DEADLINE, within_deadline
from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.rows import OWNER, among, session_of, user_of
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import sessions, users
from application.repositories import Renewals
from domain.session import Lifetimes, Session
from domain.user import User


class _Renewal(NamedTuple):
    """`idle` is when the session expires without another refresh, `longest` its maximum age."""

    session: UUID
    expected: int
    now: datetime
    idle: datetime
    longest: timedelta

    @property
    def key(self) -> tuple[UUID, int]:
        return self.session, self.expected


_KINDS: Mapping[str, TypeEngine[Any]] = {
    "session": Uuid(),
    "expected": Integer(),
    "now": DateTime(timezone=True),
    "idle": DateTime(timezone=True),
    "longest": Interval(),
}
_Renewed = Mapping[tuple[UUID, int], tuple[Session, User]]
"""By session and previous generation."""


def _statement(*, passing_over: bool) -> CompiledStatement:
    arrays = [bindparam(name, type_=ARRAY(kind)) for name, kind in _KINDS.items()]
    requested = func.unnest(*arrays).table_valued(*_KINDS, name="asked").render_derived()
    due = (
        sessions.c.generation == requested.c.expected,
        sessions.c.ended_at.is_(None),
        sessions.c.expires_at > requested.c.now,
    )
    locked = (
        select(requested)
        .join(sessions, sessions.c.id == requested.c.session)
        .where(*due)
        .with_for_update(of=sessions, key_share=True, skip_locked=passing_over)
        .cte("held")
    )
    advance = (
        update(sessions)
        .where(sessions.c.id == locked.c.session, sessions.c.user_id == users.c.id, users.c.deleted_at.is_(None))
        .values(
            generation=sessions.c.generation + 1,
            rotated_at=locked.c.now,
            rotated_ahead=locked.c.now - func.clock_timestamp(),
            expires_at=func.least(locked.c.idle, sessions.c.created_at + locked.c.longest),
        )
    )
    return CompiledStatement(advance.returning(*sessions.c, *OWNER))


# A batch does not wait for locked sessions, so two batches never wait for each other.
_TOGETHER = _statement(passing_over=True)
_ALONE = _statement(passing_over=False)


class PostgresRenewals(Renewals):
    def __init__(self, database: Database) -> None:
        self._database = database
        self._shared = Batcher(self._renew)
        # A call that waits for a row lock occupies a connection, so their number is limited.
        self._alone = asyncio.Semaphore(POOL_SIZE // 2)

    async def advance(
        self, session_id: UUID, *, generation: int, now: datetime, lifetimes: Lifetimes
    ) -> tuple[Session, User] | None:
        renewal = _Renewal(session_id, generation, now, now + lifetimes.refresh, lifetimes.session)
        with outages_as_refusals():
            async with within_deadline():
                renewed = await self._shared([renewal])
                if renewal.key not in renewed:
                    # The session cannot advance, or is locked. Only a call of its own waits for the lock.
                    async with self._alone:
                        renewed = await self._renew([renewal], _ALONE)
                return renewed.get(renewal.key)

    async def _renew(self, renewals: Collection[_Renewal], statement: CompiledStatement = _TOGETHER) -> _Renewed:
        parameters = dict(zip(_KINDS, map(list, zip(*renewals, strict=True)), strict=True))
        with outages_as_refusals():
            # In a short transaction: otherwise a stalled server would execute it minutes later, after the client has
            # given up, and a retry would look like a stolen token.
            async with asyncio.timeout(DEADLINE), self._database.transaction() as connection:
                rows = await connection.fetch(statement, **parameters)
                renewed = [(session_of(row), user_of(row, "owner_")) for row in rows]
                return {
                    (session.id, session.generation - 1): (session, user)
                    for session, user in await _reload_users(connection, renewed)
                }


async def _reload_users(
    connection: Connection, renewed: Collection[tuple[Session, User]]
) -> Collection[tuple[Session, User]]:
    """A session whose access tokens were revoked while it advanced has met a role change, which may be newer than the
    joined user. So these users are read again."""
    doubtful = {user.id for session, user in renewed if session.min_generation >= session.generation}
    if not doubtful:
        return renewed
    rows = await connection.fetch(select(users).where(among(users.c.id, list(doubtful))))
    users_by_id = {row["id"]: user_of(row) for row in rows}
    known = [(session, users_by_id.get(user.id) if user.id in doubtful else user) for session, user in renewed]
    return [(session, user) for session, user in known if user is not None]
