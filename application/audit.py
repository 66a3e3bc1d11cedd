"""Writes events to the audit log."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock, NewId
from application.repositories import UnitOfWork
from domain.audit import AuditEvent, EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """`by` is the user who acted: None for links and the command line. `detail` holds no address, name or secret."""

    clock: Clock
    new_id: NewId

    async def record(
        self,
        work: UnitOfWork,
        action: EventType,
        user_id: UUID,
        *,
        by: UUID | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
        detail: str = "",
    ) -> None:
        """Add an event to this unit of work."""
        await work.events.add(self.event(action, user_id, by=by, client_info=client_info, detail=detail))

    def event(
        self,
        action: EventType,
        user_id: UUID,
        *,
        by: UUID | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
        detail: str = "",
    ) -> AuditEvent:
        """Return an event, for a repository method that writes it together with the change."""
        now = self.clock()
        return AuditEvent.of(
            action, user_id, id=self.new_id(), now=now, by=by, client_info=client_info, detail=detail
        )
