"""Sessions in a dictionary. The domain advances them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.rows import Rows
from application.repositories import Sessions
from domain.audit import AuditEvent
from domain.session import ENDED, EndReason, Lifetimes, Session
from domain.user import User


class MemorySessions(Sessions):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.raised: dict[UUID, int] = {}

    async def open(
        self, session: Session, *, credential_version: int, factor_version: int = 0, event: AuditEvent
    ) -> User | None:
        await checkpoint()
        user = None if session.user_id is None else self._rows.users.get(session.user_id)
        if user is None or user.disabled:
            return None
        if (user.credential_version, user.factor_version) != (credential_version, factor_version):
            return None
        self._rows.sessions[session.id] = replace(session, secret=b"")
        self._rows.events[event.id] = event
        return user

    async def evict_oldest(self, session: Session, *, most: int) -> Sequence[UUID]:
        await checkpoint()
        now = session.created_at
        alive = [s for s in self._rows.sessions.values() if s.user_id == session.user_id and s.alive(now)]
        alive.sort(key=lambda one: (one.id == session.id, one.created_at, one.id), reverse=True)
        for oldest in alive[most:]:
            self._raise(oldest.ended(now=now, reason=EndReason.EVICTED))
        return [oldest.id for oldest in alive[most:]]

    async def by_id(self, session_id: UUID) -> Session | None:
        await checkpoint()
        return self._rows.sessions.get(session_id)

    async def by_id_at(self, session_id: UUID, *, now: datetime) -> tuple[Session, datetime] | None:
        session = await self.by_id(session_id)
        return None if session is None else (session, now)

    async def resume(self, session_id: UUID, *, now: datetime, lifetimes: Lifetimes) -> tuple[Session, User] | None:
        session = await self.by_id(session_id)
        user = None if session is None or session.user_id is None else self._rows.users.get(session.user_id)
        if session is None or user is None or not session.is_browser:
            return None
        if session.alive(now) and session.is_due(now):
            session = session.resumed(now=now, lifetimes=lifetimes)
            self._rows.sessions[session_id] = session
        return session, user

    async def alive(self, user_id: UUID, *, now: datetime) -> Sequence[Session]:
        return [session for session in await self._of(user_id) if session.alive(now)]

    async def has_session_in_network(self, login: str, network: str, *, now: datetime) -> bool:
        await checkpoint()
        people, name = self._rows.users.values(), login.lower()
        named = [user for user in people if name in (user.email, (user.username or "").lower())]
        holder = max(named, key=lambda user: (user.verified, user.id), default=None)
        newest = [] if holder is None else (await self._of(holder.id))[:50]
        return any(session.alive(now) and session.client_info.network == network for session in newest)

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Session]:
        return [session for session in await self._of(user_id) if after is None or session.id < after][:limit]

    async def end(
        self, session_id: UUID, *, now: datetime, reason: EndReason, event: AuditEvent | None = None
    ) -> bool:
        session = await self.by_id(session_id)
        self.raised[session_id] = ENDED
        if session is None or session.ended_at is not None:
            return False
        self._raise(session.ended(now=now, reason=reason))
        if event is not None:
            self._rows.events[event.id] = event
        return True

    async def end_all(self, user_id: UUID, *, now: datetime, reason: EndReason, keeping: UUID | None = None) -> int:
        alive = [session for session in await self._alive(user_id) if session.id != keeping]
        for session in alive:
            self._raise(session.ended(now=now, reason=reason))
        pending = self._rows.revocation_pending - {keeping}
        fresh = [s for s in pending if self._rows.sessions[s].user_id == user_id]
        self.raised.update(dict.fromkeys(fresh, ENDED))
        return len(alive)

    async def revoke_access_tokens(self, user_id: UUID) -> int:
        alive = await self._alive(user_id)
        for session in alive:
            self._raise(session.with_access_tokens_revoked())
        return len(alive)

    async def await_revocations(self, user_id: UUID) -> None:
        await checkpoint()
        for session in self._rows.sessions.values():
            if session.user_id == user_id and session.id in self._rows.revocation_pending:
                self.raised[session.id] = session.effective_min_generation

    async def _of(self, user_id: UUID) -> Sequence[Session]:
        await checkpoint()
        sessions = [session for session in self._rows.sessions.values() if session.user_id == user_id]
        return sorted(sessions, key=lambda session: session.id, reverse=True)

    async def _alive(self, user_id: UUID) -> list[Session]:
        await checkpoint()
        return [s for s in self._rows.sessions.values() if s.user_id == user_id and s.ended_at is None]

    def _raise(self, session: Session) -> None:
        self._rows.sessions[session.id] = session
        self._rows.revoked_at[session.id] = self._rows.clock()
        self._rows.revocation_pending.add(session.id)
        self.raised[session.id] = session.effective_min_generation
