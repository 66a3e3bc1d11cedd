"""The unit of work over one connection. Leaving it commits, publishes revocations and notifies workers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from adapters.postgres.audit_events import PostgresAuditEvents
from adapters.postgres.clients import PostgresClients
from adapters.postgres.connection import Connection
from adapters.postgres.database import Database
from adapters.postgres.deadline import DEADLINE, within_deadline
from adapters.postgres.email_changes import PostgresEmailChanges
from adapters.postgres.factors import PostgresFactors
from adapters.postgres.fair_share import FairShare
from adapters.postgres.invitations import PostgresInvitations
from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.outbox import PostgresOutbox
from adapters.postgres.sessions import PostgresSessions
from adapters.postgres.users import PostgresUsers
from adapters.revocations import Blocklist
from application.ports import Nudge
from application.repositories import UnitOfWork


class PostgresUnitOfWork(UnitOfWork):
    def __init__(self, connection: Connection) -> None:
        self._sessions = PostgresSessions(connection)
        self._users = PostgresUsers(connection, self._sessions)
        self._mails = PostgresOutbox(connection)
        self._events = PostgresAuditEvents(connection)
        self._changes = PostgresEmailChanges(connection)
        self._factors = PostgresFactors(connection)
        self._invitations = PostgresInvitations(connection)
        self._clients = PostgresClients(connection)

    @property
    def users(self) -> PostgresUsers:
        return self._users

    @property
    def sessions(self) -> PostgresSessions:
        return self._sessions

    @property
    def outbox(self) -> PostgresOutbox:
        return self._mails

    @property
    def events(self) -> PostgresAuditEvents:
        return self._events

    @property
    def email_changes(self) -> PostgresEmailChanges:
        return self._changes

    @property
    def factors(self) -> PostgresFactors:
        return self._factors

    @property
    def invitations(self) -> PostgresInvitations:
        return self._invitations

    @property
    def clients(self) -> PostgresClients:
        return self._clients


class PostgresStore:
    """A unit of work takes at most `deadline` seconds; then it is refused as `unavailable`."""

    def __init__(self, database: Database, *, blocklist: Blocklist, nudge: Nudge, deadline: float = DEADLINE) -> None:
        self._database = database
        self._deadline = deadline
        self._blocklist = blocklist
        self._nudge = nudge
        self._fair_share = FairShare()

    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        return self._work(self._database.transaction)

    def autocommit(self) -> AbstractAsyncContextManager[UnitOfWork]:
        return self._work(self._database.connection)

    @asynccontextmanager
    async def _work(self, borrow: Callable[[], AbstractAsyncContextManager[Connection]]) -> AsyncIterator[UnitOfWork]:
        async with self._fair_share.turn():
            with outages_as_refusals():
                async with within_deadline(self._deadline), borrow() as connection:
                    work = PostgresUnitOfWork(connection)
                    yield work
        if work.sessions.raised:
            await self._blocklist.publish(work.sessions.raised)
        if work.outbox.enqueued_ids:
            self._nudge(work.outbox.enqueued_ids)
