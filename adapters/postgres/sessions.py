"""Sessions in PostgreSQL. Collects what is revoked, so that the unit of work can publish it after the commit."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    func,
    insert,
    select,
    update,
)

from adapters.postgres.audit_events import event_parameters, insert_event_cte
from adapters.postgres.browser_sessions import resume
from adapters.postgres.connection import Connection
from adapters.postgres.known_networks import has_session_in_network
from adapters.postgres.rows import MIN_GENERATION, among, row_of_session, session_of, user_of
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import sessions, users
from application.repositories import Sessions
from domain.audit import AuditEvent
from domain.session import ENDED, EndReason, Lifetimes, Session
from domain.user import User


def _alive(user_id: Any, now: Any) -> ColumnElement[bool]:
    return and_(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None), sessions.c.expires_at > now)


_ADDED = (
    "id",
    "user_id",
    "generation",
    "min_generation",
    "created_at",
    "rotated_at",
    "expires_at",
    "user_agent",
    "ip",
    "amr",
    "authenticated_at",
    "secret_digest",
)

# Compiled once: building the statements of a login or logout costs more than sending them.
_BY_ID = CompiledStatement(select(sessions).where(sessions.c.id == bindparam("session")))
_BY_ID_AT = CompiledStatement(
    select(sessions, (func.clock_timestamp() + sessions.c.rotated_ahead).label("at")).where(
        sessions.c.id == bindparam("session")
    )
)
_user = (
    select(users)
    .where(
        users.c.id == bindparam("user_id"),
        users.c.credential_version == bindparam("version"),
        users.c.factor_version == bindparam("factor_version"),
        users.c.disabled_at.is_(None),
    )
    .with_for_update(key_share=True)
    .cte("welcome")
)
_opened = insert(sessions).from_select(
    _ADDED,
    select(*(bindparam(name, type_=sessions.c[name].type) for name in _ADDED)).where(exists(select(_user))),
)
_OPEN = CompiledStatement(select(_user).add_cte(_opened.cte("opened"), insert_event_cte(_user)))
_BEYOND_CAP = CompiledStatement(
    select(sessions.c.id)
    .where(_alive(bindparam("user_id"), bindparam("now")))
    .order_by((sessions.c.id == bindparam("first")).desc(), sessions.c.created_at.desc(), sessions.c.id.desc())
    .offset(bindparam("most"))
)
_AS_ENDED = {
    "ended_at": bindparam("now"),
    "end_reason": bindparam("reason"),
    "revoked_at": func.now(),
    "revocation_pending": True,
}
_end = update(sessions).where(sessions.c.id == bindparam("session"), sessions.c.ended_at.is_(None)).values(_AS_ENDED)
_ended = _end.returning(sessions.c.id).cte("ended")
_END = CompiledStatement(_end.returning(sessions.c.id))
_END_ALL = CompiledStatement(
    update(sessions)
    .where(sessions.c.id == any_(bindparam("sessions", type_=ARRAY(Uuid))), sessions.c.ended_at.is_(None))
    .values(_AS_ENDED)
    .returning(sessions.c.id)
)
_END_AND_NOTE = CompiledStatement(select(_ended).add_cte(insert_event_cte(_ended)))


class PostgresSessions(Sessions):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.raised: dict[UUID, int] = {}

    async def open(
        self, session: Session, *, credential_version: int, factor_version: int = 0, event: AuditEvent
    ) -> User | None:
        # The lock on the user serializes logins, so that each counts the sessions of those before it. A reset or ban
        # at the same time either sees this session, or is seen here.
        parameters = row_of_session(session) | event_parameters(event)
        row = await self._connection.fetch_row(
            _OPEN, version=credential_version, factor_version=factor_version, **parameters
        )
        return None if row is None else user_of(row)

    async def evict_oldest(self, session: Session, *, most: int) -> Sequence[UUID]:
        parameters = {"user_id": session.user_id, "now": session.created_at, "first": session.id, "most": most}
        beyond = await self._connection.fetch_column(_BEYOND_CAP, **parameters)
        if not beyond:
            return []
        self.raised.update(dict.fromkeys(beyond, ENDED))
        # Some of them may have been ended by their user meanwhile.
        now, reason = session.created_at, EndReason.EVICTED.value
        return await self._connection.fetch_column(_END_ALL, sessions=beyond, now=now, reason=reason)

    async def by_id(self, session_id: UUID) -> Session | None:
        row = await self._connection.fetch_row(_BY_ID, session=session_id)
        return None if row is None else session_of(row)

    async def by_id_at(self, session_id: UUID, *, now: datetime) -> tuple[Session, datetime] | None:
        row = await self._connection.fetch_row(_BY_ID_AT, session=session_id)
        return None if row is None else (session_of(row), row["at"] or now)

    async def resume(self, session_id: UUID, *, now: datetime, lifetimes: Lifetimes) -> tuple[Session, User] | None:
        return await resume(self._connection, session_id, now=now, lifetimes=lifetimes)

    async def alive(self, user_id: UUID, *, now: datetime) -> Sequence[Session]:
        # Filtered in the query, because a user may have any number of ended sessions.
        query = select(sessions).where(_alive(user_id, now)).order_by(sessions.c.id.desc())
        return [session_of(row) for row in await self._connection.fetch(query)]

    async def has_session_in_network(self, login: str, network: str, *, now: datetime) -> bool:
        return await has_session_in_network(self._connection, login, network, now=now)

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Session]:
        query = select(sessions).where(sessions.c.user_id == user_id).order_by(sessions.c.id.desc()).limit(limit)
        query = query if after is None else query.where(sessions.c.id < after)
        return [session_of(row) for row in await self._connection.fetch(query)]

    async def end(
        self, session_id: UUID, *, now: datetime, reason: EndReason, event: AuditEvent | None = None
    ) -> bool:
        parameters = {"session": session_id, "now": now, "reason": reason.value}
        if event is None:
            ended = await self._connection.fetch_row(_END, **parameters)
        else:
            ended = await self._connection.fetch_row(_END_AND_NOTE, **parameters, **event_parameters(event))
        # Also if another request was quicker: the response is sent only when the revocation is in force.
        self.raised[session_id] = ENDED
        return ended is not None

    async def end_all(self, user_id: UUID, *, now: datetime, reason: EndReason, keeping: UUID | None = None) -> int:
        # Lock the user, so that a login at the same time waits and then sees the change of this unit of work.
        await self._connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
        return await self.end_all_of([user_id], now=now, reason=reason, keeping=keeping)

    async def end_all_of(
        self, user_ids: Sequence[UUID], *, now: datetime, reason: EndReason, keeping: UUID | None = None
    ) -> int:
        """The caller has locked the users."""
        of_users = among(sessions.c.user_id, user_ids)
        if keeping is not None:
            of_users = and_(of_users, sessions.c.id != keeping)
        ended = len(await self._end(and_(of_users, sessions.c.ended_at.is_(None)), now=now, reason=reason))
        # Includes sessions that others have just ended and not yet published: this unit of work waits for them too.
        fresh = await self._connection.fetch_column(
            select(sessions.c.id).where(of_users, sessions.c.revocation_pending)
        )
        self.raised.update(dict.fromkeys(fresh, ENDED))
        return ended

    async def revoke_access_tokens(self, user_id: UUID) -> int:
        outdated = await self._connection.fetch(
            update(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
            .values(min_generation=sessions.c.generation + 1, revoked_at=func.now(), revocation_pending=True)
            .returning(sessions.c.id, MIN_GENERATION)
        )
        min_generations = {row["id"]: row["min_generation"] for row in outdated}
        self.raised.update(min_generations)
        return len(min_generations)

    async def await_revocations(self, user_id: UUID) -> None:
        query = select(sessions.c.id, MIN_GENERATION).where(
            sessions.c.user_id == user_id, sessions.c.revocation_pending
        )
        self.raised.update({row["id"]: row["min_generation"] for row in await self._connection.fetch(query)})

    async def _end(self, which: Any, *, now: datetime, reason: EndReason) -> Sequence[UUID]:
        ending = update(sessions).where(which).values(_AS_ENDED).returning(sessions.c.id)
        return await self._connection.fetch_column(ending, now=now, reason=reason.value)
