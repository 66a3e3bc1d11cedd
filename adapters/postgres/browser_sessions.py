"""The statements of browser sessions in use."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, update

from adapters.postgres.connection import Connection
from adapters.postgres.rows import OWNER, session_of, user_of
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import sessions, users
from domain.session import TOUCH, Lifetimes, Session
from domain.user import User

_WITH_USER = CompiledStatement(
    select(sessions, *OWNER)
    .join(users, users.c.id == sessions.c.user_id)
    .where(sessions.c.id == bindparam("session"), sessions.c.secret_digest.is_not(None))
)
_RESUME = CompiledStatement(
    update(sessions)
    .where(
        sessions.c.id == bindparam("session"),
        sessions.c.ended_at.is_(None),
        or_(
            sessions.c.generation < sessions.c.min_generation,
            sessions.c.rotated_at <= bindparam("touched", type_=sessions.c.rotated_at.type),
        ),
    )
    .values(
        generation=func.greatest(sessions.c.generation, sessions.c.min_generation),
        rotated_at=bindparam("now"),
        expires_at=bindparam("expires_at"),
    )
)


async def resume(
    connection: Connection, session_id: UUID, *, now: datetime, lifetimes: Lifetimes
) -> tuple[Session, User] | None:
    """See `Sessions.resume`."""
    row = await connection.fetch_row(_WITH_USER, session=session_id)
    if row is None:
        return None
    session = session_of(row)
    if session.alive(now) and session.is_due(now):
        expires_at = session.resumed(now=now, lifetimes=lifetimes).expires_at
        touched = now - TOUCH
        await connection.execute(_RESUME, session=session_id, now=now, expires_at=expires_at, touched=touched)
        # Read again: a change of roles may have been committed while the statement above waited for it.
        row = await connection.fetch_row(_WITH_USER, session=session_id)
    return None if row is None else (session_of(row), user_of(row, "owner_"))
