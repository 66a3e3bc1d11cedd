"""The unit of work in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
from anyio.lowlevel import checkpoint

from adapters.memory.audit_events import MemoryAuditEvents, MemoryClients
from adapters.memory.email_changes import MemoryEmailChanges
from adapters.memory.factors import MemoryFactors
from adapters.memory.invitations import MemoryInvitations
from adapters.memory.outbox import MemoryOutbox
from adapters.memory.rows import Rows
from adapters.memory.sessions import MemorySessions
from adapters.memory.users import MemoryUsers
from adapters.revocations import Blocklist
from application.ports import Clock, Nudge
from application.repositories import UnitOfWork


class MemoryUnitOfWork(UnitOfWork):
    def __init__(self, rows: Rows) -> None:
        self._sessions = MemorySessions(rows)
        self._users = MemoryUsers(rows, self._sessions)
        self._mails = MemoryOutbox(rows)
        self._events = MemoryAuditEvents(rows)
        self._changes = MemoryEmailChanges(rows)
        self._factors = MemoryFactors(rows)
        self._invitations = MemoryInvitations(rows)
        self._clients = MemoryClients(rows)

    @property
    def users(self) -> MemoryUsers:
        return self._users

    @property
    def sessions(self) -> MemorySessions:
        return self._sessions

    @property
    def outbox(self) -> MemoryOutbox:
        return self._mails

    @property
    def events(self) -> MemoryAuditEvents:
        return self._events

    @property
    def email_changes(self) -> MemoryEmailChanges:
        return self._changes

    @property
    def factors(self) -> MemoryFactors:
        return self._factors

    @property
    def invitations(self) -> MemoryInvitations:
        return self._invitations

    @property
    def clients(self) -> MemoryClients:
        return self._clients


def _now() -> datetime:
    return datetime.now(UTC)


class MemoryStore:
    """Units of work run one after another. A failure changes nothing."""

    def __init__(self, *, blocklist: Blocklist, nudge: Nudge, clock: Clock = _now) -> None:
        self.rows = Rows(clock)
        self._turn = anyio.Lock()
        self._blocklist = blocklist
        self._nudge = nudge

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Rows]:
        """Exclusive access to the rows. Changes are kept unless the block raises."""
        async with self._turn:
            rows = self.rows.copy()
            yield rows
            await checkpoint()
            self.rows = rows

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        async with self.alone() as rows:
            work = MemoryUnitOfWork(rows)
            yield work
        if work.sessions.raised:
            await self._blocklist.publish(work.sessions.raised)
        if work.outbox.enqueued_ids:
            self._nudge(work.outbox.enqueued_ids)

    autocommit = begin
