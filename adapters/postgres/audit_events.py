"""Audit events in PostgreSQL. Rows are only added."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import CTE, bindparam, exists, insert, select

from adapters.postgres.connection import Connection
from adapters.postgres.rows import among_texts, event_of, insert_all, row_of_event
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import events
from application.repositories import AuditEvents
from domain.audit import AuditEvent, EventType
from domain.client_info import ClientInfo

# Kinds that only a newer release knows are not shown; it may run beside this one, or was rolled back.
_KNOWN = among_texts(events.c.action, [action.value for action in EventType])
_ADD = CompiledStatement(insert(events))
_newest = (
    select(events.c.action, events.c.ip, events.c.user_agent)
    .where(events.c.user_id == bindparam("user_id"), events.c.id < bindparam("before"))
    .order_by(events.c.id.desc())
    .limit(bindparam("most"))
    .subquery()
)
_LOGIN_CLIENTS = CompiledStatement(
    select(_newest.c.ip, _newest.c.user_agent).where(_newest.c.action == EventType.LOGGED_IN.value).distinct()
)


def insert_event_cte(where: CTE) -> CTE:
    """A CTE that inserts the event if `where` returned a row. `event_parameters` gives its parameters."""
    values = [bindparam(f"noted_{column.name}", type_=column.type) for column in events.c]
    return insert(events).from_select(list(events.c), select(*values).where(exists(select(where)))).cte("noted")


def event_parameters(event: AuditEvent) -> dict[str, object]:
    return {f"noted_{name}": value for name, value in row_of_event(event).items()}


class PostgresAuditEvents(AuditEvents):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, *added: AuditEvent) -> None:
        if len(added) == 1:
            await self._connection.execute(_ADD, **row_of_event(added[0]))
        elif added:
            await self._connection.execute(insert_all(events, [row_of_event(event) for event in added]))

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[AuditEvent]:
        wanted = select(events).where(events.c.user_id == user_id, _KNOWN).order_by(events.c.id.desc()).limit(limit)
        if after is not None:
            wanted = wanted.where(events.c.id < after)
        return [event_of(row) for row in await self._connection.fetch(wanted)]

    async def login_clients(self, user_id: UUID, *, before: UUID, limit: int) -> Collection[ClientInfo]:
        rows = await self._connection.fetch(_LOGIN_CLIENTS, user_id=user_id, before=before, most=limit)
        return {ClientInfo(ip=row["ip"], user_agent=row["user_agent"]) for row in rows}
