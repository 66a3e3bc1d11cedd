"""Audit events and OAuth clients in memory."""

from collections.abc import Collection, Sequence
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.rows import Rows
from application.repositories import AuditEvents, Clients
from domain.audit import AuditEvent, EventType
from domain.client import Client
from domain.client_info import ClientInfo


class MemoryAuditEvents(AuditEvents):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def add(self, *events: AuditEvent) -> None:
        await checkpoint()
        self._rows.events.update((event.id, event) for event in events)

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[AuditEvent]:
        await checkpoint()
        events = [event for event in self._rows.events.values() if event.user_id == user_id]
        newest_first = sorted(events, key=lambda event: event.id, reverse=True)
        return [event for event in newest_first if after is None or event.id < after][:limit]

    async def login_clients(self, user_id: UUID, *, before: UUID, limit: int) -> Collection[ClientInfo]:
        events = await self.page(user_id, limit=limit, after=before)
        return {event.client_info for event in events if event.action is EventType.LOGGED_IN}


class MemoryClients(Clients):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def add(self, client: Client) -> None:
        await checkpoint()
        self._rows.clients[client.id] = client

    async def by_id(self, client_id: UUID) -> Client | None:
        await checkpoint()
        return self._rows.clients.get(client_id)

    async def all(self) -> Sequence[Client]:
        await checkpoint()
        return sorted(self._rows.clients.values(), key=lambda client: client.id)

    async def remove(self, client_id: UUID) -> bool:
        await checkpoint()
        return self._rows.clients.pop(client_id, None) is not None
