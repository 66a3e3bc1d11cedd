"""Repositories, and the unit of work in which they change together. Every method may raise `unavailable`."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from application.repositories.email_changes import EmailChanges
from application.repositories.factors import Factors
from application.repositories.invitations import Invitations
from application.repositories.outbox import Outbox
from application.repositories.sessions import Renewals, Sessions
from application.repositories.users import EMAIL_KEY, USERNAME_KEY, PageCursor, UserHit, Users, Verification
from domain.audit import AuditEvent
from domain.client import Client
from domain.client_info import ClientInfo

__all__ = [
    "EMAIL_KEY",
    "USERNAME_KEY",
    "AuditEvents",
    "Clients",
    "EmailChanges",
    "Factors",
    "Invitations",
    "Outbox",
    "PageCursor",
    "Renewals",
    "Sessions",
    "UnitOfWork",
    "UnitOfWorkFactory",
    "UserHit",
    "Users",
    "Verification",
]


class AuditEvents(Protocol):
    async def add(self, *events: AuditEvent) -> None: ...

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[AuditEvent]:
        """Events of the user, newest first. `after` is the id of the last event of the page before."""
        ...

    async def login_clients(self, user_id: UUID, *, before: UUID, limit: int) -> Collection[ClientInfo]:
        """The different clients of the logins among the newest `limit` events before the event `before`."""
        ...


class Clients(Protocol):
    async def add(self, client: Client) -> None: ...

    async def by_id(self, client_id: UUID) -> Client | None: ...

    async def all(self) -> Sequence[Client]: ...

    async def remove(self, client_id: UUID) -> bool:
        """Return False if there is no such client."""
        ...


class UnitOfWork(Protocol):
    """One transaction."""

    @property
    def users(self) -> Users: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def events(self) -> AuditEvents: ...
    @property
    def email_changes(self) -> EmailChanges: ...
    @property
    def factors(self) -> Factors: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def clients(self) -> Clients: ...


UnitOfWorkFactory = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
"""`async with begin() as work:` the dedent is the commit; an exception rolls everything back. A `UnitOfWorkFactory`
with the name `autocommit` has no transaction: each statement is committed by itself."""
