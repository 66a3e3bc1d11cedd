"""Advances sessions (refresh) outside of units of work, in memory."""

from datetime import datetime
from uuid import UUID

from adapters.memory.unit_of_work import MemoryStore
from application.repositories import Renewals
from domain.session import Lifetimes, Session
from domain.user import User


class MemoryRenewals(Renewals):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def advance(
        self, session_id: UUID, *, generation: int, now: datetime, lifetimes: Lifetimes
    ) -> tuple[Session, User] | None:
        async with self._store.alone() as rows:
            session = rows.sessions.get(session_id)
            if session is None or session.user_id is None or session.generation != generation:
                return None
            if not session.alive(now) or session.user_id not in rows.users:
                return None
            rows.sessions[session_id] = advanced = session.advanced(now=now, lifetimes=lifetimes)
            return advanced, rows.users[session.user_id]
