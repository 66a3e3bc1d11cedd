"""Every role of the store in memory: for unit tests, held to the same contract tests as the real ones."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import anyio
from anyio.lowlevel import checkpoint

from application.ports import Blocklist, Floors, Mails, Nudge, Sessions, Users, Work
from domain.mail import Mail, Outcome
from domain.role import Role
from domain.session import ENDED, EndReason, Lifetimes, Session
from domain.user import User


@dataclass
class Rows:
    users: dict[UUID, User] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    mails: dict[UUID, Mail] = field(default_factory=dict)
    raised_at: dict[UUID, datetime] = field(default_factory=dict)
    unpublished: set[UUID] = field(default_factory=set)

    def copy(self) -> "Rows":
        return Rows(
            dict(self.users), dict(self.sessions), dict(self.mails), dict(self.raised_at), set(self.unpublished)
        )


class MemoryUsers(Users):
    def __init__(self, rows: Rows, sessions: "MemorySessions") -> None:
        self._rows = rows
        self._sessions = sessions

    async def add(self, user: User) -> None:
        await checkpoint()
        self._rows.users[user.id] = user

    async def by_id(self, user_id: UUID) -> User | None:
        await checkpoint()
        return self._rows.users.get(user_id)

    async def by_email(self, email: str) -> User | None:
        return await self._holder(lambda user: user.email == email)

    async def by_username(self, username: str) -> User | None:
        return await self._holder(lambda user: (user.username or "").lower() == username.lower())

    async def prove(self, user_id: UUID, *, credential_version: int, now: datetime) -> User | None:
        await checkpoint()
        user = self._rows.users.get(user_id)
        if user is None or user.credential_version != credential_version:
            return None
        if user.verified:
            return user
        rivals = [other for other in self._rows.users.values() if other.email == user.email and other.id != user_id]
        if any(rival.verified for rival in rivals):
            return None
        for rival in rivals:
            await self._sessions.end_all(rival.id, now=now, reason=EndReason.SUPERSEDED)
            await self.remove(rival.id)
        namesake = await self.by_username(user.username) if user.username else None
        taken = namesake is not None and namesake.verified
        return self._keep(replace(user.proven(), username=None if taken else user.username))

    async def replace_password(self, user_id: UUID, password_hash: str, *, credential_version: int) -> User | None:
        user = await self.by_id(user_id)
        if user is None or user.credential_version != credential_version:
            return None
        return self._keep(user.with_password(password_hash))

    async def rehash(self, user_id: UUID, *, old: str, new: str) -> None:
        user = await self.by_id(user_id)
        if user is not None and user.password_hash == old:
            self._keep(replace(user, password_hash=new))

    async def governors(self) -> Sequence[UUID]:
        await checkpoint()
        return sorted(user.id for user in self._rows.users.values() if user.governs)

    async def set_role(self, user_id: UUID, role: Role) -> User | None:
        user = await self.by_id(user_id)
        return None if user is None else self._keep(replace(user, role=role))

    async def set_disabled(self, user_id: UUID, disabled: bool, *, now: datetime) -> User | None:
        user = await self.by_id(user_id)
        return None if user is None else self._keep(replace(user, disabled=disabled))

    async def remove(self, user_id: UUID) -> bool:
        await checkpoint()
        for session in list(self._rows.sessions.values()):
            if session.user_id == user_id:
                self._rows.sessions[session.id] = replace(session, user_id=None, user_agent="", ip="")
        return self._rows.users.pop(user_id, None) is not None

    async def page(self, *, query: str, role: Role | None, limit: int, after: UUID | None) -> Sequence[User]:
        await checkpoint()
        found = [
            user
            for user in sorted(self._rows.users.values(), key=lambda user: user.id)
            if (user.email.startswith(query.lower()) or (user.username or "").lower().startswith(query.lower()))
            and role in (None, user.role)
            and (after is None or user.id > after)
        ]
        return found[:limit]

    async def _holder(self, fits: Callable[[User], bool]) -> User | None:
        await checkpoint()
        return max(filter(fits, self._rows.users.values()), key=lambda user: (user.verified, user.id), default=None)

    def _keep(self, user: User) -> User:
        self._rows.users[user.id] = user
        return user


class MemorySessions(Sessions):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.raised: dict[UUID, int] = {}

    async def open(self, session: Session, *, credential_version: int) -> User | None:
        await checkpoint()
        user = None if session.user_id is None else self._rows.users.get(session.user_id)
        if user is None or user.disabled or user.credential_version != credential_version:
            return None
        self._rows.sessions[session.id] = session
        return user

    async def by_id(self, session_id: UUID) -> Session | None:
        await checkpoint()
        return self._rows.sessions.get(session_id)

    async def advance(
        self, session_id: UUID, *, generation: int, now: datetime, lifetimes: Lifetimes
    ) -> tuple[Session, User] | None:
        session = await self.by_id(session_id)
        if session is None or session.user_id is None or session.generation != generation:
            return None
        if session.ended_at is not None or now >= session.expires_at:
            return None
        self._rows.sessions[session_id] = advanced = session.advanced(now=now, lifetimes=lifetimes)
        return advanced, self._rows.users[session.user_id]

    async def end(self, session_id: UUID, *, now: datetime, reason: EndReason) -> bool:
        session = await self.by_id(session_id)
        self.raised[session_id] = ENDED
        if session is None or session.ended_at is not None:
            return False
        self._raise(session.ended(now=now, reason=reason), now)
        return True

    async def end_all(self, user_id: UUID, *, now: datetime, reason: EndReason) -> int:
        alive = await self._alive(user_id)
        for session in alive:
            self._raise(session.ended(now=now, reason=reason), now)
        return len(alive)

    async def outdate_all(self, user_id: UUID, *, now: datetime) -> int:
        alive = await self._alive(user_id)
        for session in alive:
            self._raise(session.outdated(), now)
        return len(alive)

    async def _alive(self, user_id: UUID) -> list[Session]:
        await checkpoint()
        return [s for s in self._rows.sessions.values() if s.user_id == user_id and s.ended_at is None]

    def _raise(self, session: Session, now: datetime) -> None:
        self._rows.sessions[session.id] = session
        self._rows.raised_at[session.id] = now
        self._rows.unpublished.add(session.id)
        self.raised[session.id] = session.lowest_welcome


class MemoryMails(Mails):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.owed: list[UUID] = []

    async def add(self, mail: Mail) -> None:
        await checkpoint()
        self._rows.mails[mail.id] = mail
        self.owed.append(mail.id)

    async def lease(self, *, now: datetime, until: datetime, limit: int, only: UUID | None = None) -> Sequence[Mail]:
        await checkpoint()
        due = [
            mail
            for mail in sorted(self._rows.mails.values(), key=lambda mail: mail.due_at)
            if mail.outcome is None and mail.due_at <= now and only in (None, mail.id)
        ]
        leased = [replace(mail, due_at=until, attempts=mail.attempts + 1) for mail in due[:limit]]
        self._rows.mails.update({mail.id: mail for mail in leased})
        return sorted(leased, key=lambda mail: mail.id)

    async def settle(self, mail: Mail, outcome: Outcome, *, now: datetime, note: str = "") -> None:
        await checkpoint()
        if self._ours(mail):
            self._rows.mails[mail.id] = replace(self._rows.mails[mail.id], outcome=outcome, note=note)

    async def postpone(self, mail: Mail, *, until: datetime, note: str) -> None:
        await checkpoint()
        if self._ours(mail):
            self._rows.mails[mail.id] = replace(self._rows.mails[mail.id], due_at=until, note=note)

    async def parked(self, *, limit: int) -> Sequence[Mail]:
        await checkpoint()
        parked = [mail for mail in self._rows.mails.values() if mail.outcome is Outcome.PARKED]
        return sorted(parked, key=lambda mail: mail.id)[:limit]

    async def redrive(self, mail_id: UUID, *, now: datetime) -> bool:
        await checkpoint()
        mail = self._rows.mails.get(mail_id)
        if mail is None or mail.outcome is not Outcome.PARKED:
            return False
        self._rows.mails[mail_id] = replace(mail, outcome=None, attempts=0, due_at=now)
        self.owed.append(mail_id)
        return True

    def _ours(self, mail: Mail) -> bool:
        kept = self._rows.mails[mail.id]
        return kept.attempts == mail.attempts and kept.outcome is None


class MemoryWork(Work):
    def __init__(self, rows: Rows) -> None:
        self._sessions = MemorySessions(rows)
        self._users = MemoryUsers(rows, self._sessions)
        self._mails = MemoryMails(rows)

    @property
    def users(self) -> MemoryUsers:
        return self._users

    @property
    def sessions(self) -> MemorySessions:
        return self._sessions

    @property
    def mails(self) -> MemoryMails:
        return self._mails


class MemoryStore:
    """Works take turns, so each sees the world as it was left by the one before; failing leaves it untouched."""

    def __init__(self, *, blocklist: Blocklist, nudge: Nudge) -> None:
        self.rows = Rows()
        self._turn = anyio.Lock()
        self._blocklist = blocklist
        self._nudge = nudge

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Work]:
        async with self._turn:
            rows = self.rows.copy()
            work = MemoryWork(rows)
            yield work
            await checkpoint()
            self.rows = rows
        if work.sessions.raised:
            await self._blocklist.publish(work.sessions.raised)
        if work.mails.owed:
            self._nudge(work.mails.owed)


class MemoryFloors(Floors):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int]:
        await checkpoint()
        kept = self._store.rows.sessions
        return {session: kept[session].lowest_welcome for session in sessions if session in kept}

    async def raised(self, *, since: datetime) -> Mapping[UUID, int]:
        return await self.floors([session for session, at in self._store.rows.raised_at.items() if at >= since])

    async def unpublished(self) -> Mapping[UUID, int]:
        return await self.floors(self._store.rows.unpublished)

    async def published(self, floors: Mapping[UUID, int]) -> None:
        same = {session for session, floor in (await self.floors(floors)).items() if floor == floors[session]}
        self._store.rows.unpublished -= same


class MemoryBlocklist(Blocklist):
    """`complete` is False while it may not be believed."""

    def __init__(self) -> None:
        self.complete = True
        self.raised: dict[UUID, int] = {}

    async def floors(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        await checkpoint()
        if not self.complete:
            return None
        return {session: self.raised[session] for session in sessions if session in self.raised}

    async def publish(self, floors: Mapping[UUID, int]) -> None:
        await checkpoint()
        for session, floor in floors.items():
            self.raised[session] = max(floor, self.raised.get(session, 0))
