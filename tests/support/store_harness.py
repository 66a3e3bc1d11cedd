"""The harness of the contract tests of stores: one store, its recorded blocklist calls, and test data."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from itertools import count
from typing import Protocol, TypeVar
from uuid import UUID

import anyio

from adapters.memory.revocations import MemoryBlocklist
from adapters.revocations import RevocationStore
from application.repositories import Renewals, UnitOfWork, Verification
from domain.audit import AuditEvent, EventType
from domain.client_info import ClientInfo
from domain.outbox import MailKind, OutboxMail
from domain.role import Role
from domain.session import Lifetimes, Session
from domain.user import User

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
LIFETIMES = Lifetimes()

T = TypeVar("T")
_numbers = count(1)


def new_id() -> UUID:
    """Later ids are greater, even within a millisecond."""
    return UUID(int=next(_numbers))


class Store(Protocol):
    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]: ...
    def autocommit(self) -> AbstractAsyncContextManager[UnitOfWork]: ...


@dataclass
class StoreHarness:
    store: Store
    renewals: Renewals
    revocations: RevocationStore
    blocklist: "SpyingBlocklist"
    nudged: list[UUID]

    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        return self.store.begin()

    async def user(
        self,
        email: str = "ada@example.org",
        *,
        username: str | None = None,
        role: Role = Role.MEMBER,
        proven: bool = True,
    ) -> User:
        user = claim(email, username=username, role=role)
        async with self.begin() as work:
            await work.users.add(user)
            proof = (
                await work.users.verify_email(user.id, credential_version=1, now=NOW)
                if proven
                else Verification(user, first_time=False)
            )
        assert proof is not None
        return proof.user

    async def session(self, user: User) -> Session:
        session = new_session(user)
        async with self.begin() as work:
            assert await work.sessions.open(
                session, credential_version=user.credential_version, event=login_event(session)
            )
        return session

    async def mail(self, *, due_at: datetime = NOW) -> OutboxMail:
        mail = queued_mail(due_at=due_at)
        async with self.begin() as work:
            await work.outbox.add(mail)
        return mail

    async def load_user(self, user_id: UUID) -> User | None:
        async with self.begin() as work:
            return await work.users.by_id(user_id)

    async def load_session(self, session_id: UUID) -> Session:
        async with self.begin() as work:
            session = await work.sessions.by_id(session_id)
        assert session is not None
        return session


class Rollback(Exception):
    """Raised inside a unit of work to roll it back."""


@dataclass
class SpyingBlocklist(MemoryBlocklist):
    """Records each call separately, to distinguish one publication from two or none."""

    published: list[Mapping[UUID, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def publish(self, min_generations: Mapping[UUID, int]) -> None:
        self.published.append(dict(min_generations))
        await super().publish(min_generations)


def claim(email: str = "ada@example.org", *, username: str | None = None, role: Role = Role.MEMBER) -> User:
    return User(id=new_id(), email=email, username=username, password_hash="hash", role=role, created_at=NOW)


def new_session(user: User, *, now: datetime = NOW) -> Session:
    return Session.opened(
        id=new_id(),
        user_id=user.id,
        now=now,
        lifetimes=LIFETIMES,
        client_info=ClientInfo(user_agent="Lynx", ip="203.0.113.7"),
    )


def login_event(session: Session) -> AuditEvent:
    """The event of its login."""
    user_id = session.user_id or new_id()
    return AuditEvent.of(EventType.LOGGED_IN, user_id, id=new_id(), now=session.created_at, by=user_id)


def queued_mail(*, due_at: datetime = NOW, user_id: UUID | None = None) -> OutboxMail:
    return OutboxMail.queued(MailKind.VERIFY, "ada@example.org", id=new_id(), now=due_at, user_id=user_id)


async def wait_until(condition: Callable[[], object], *, within: float = 30) -> None:
    """Poll a condition for up to `within` seconds."""
    async with asyncio.timeout(within):
        while True:
            result = condition()
            if await result if isawaitable(result) else result:
                return
            await asyncio.sleep(0.01)


async def run_concurrently(calls_to_make: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Start all together, and return their results."""
    calls = list(calls_to_make)
    answers: dict[int, T] = {}

    async def run(place: int, call: Callable[[], Awaitable[T]]) -> None:
        answers[place] = await call()

    async with anyio.create_task_group() as group:
        for place, call in enumerate(calls):
            group.start_soon(run, place, call)
    return [answers[place] for place in range(len(calls))]
