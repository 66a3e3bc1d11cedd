"""OAuth clients (programs that introspect and revoke tokens) in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select

from adapters.postgres.connection import Connection
from adapters.postgres.rows import client_of
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import clients
from application.repositories import Clients
from domain.client import Client

_BY_ID = CompiledStatement(select(clients).where(clients.c.id == bindparam("client")))


class PostgresClients(Clients):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, client: Client) -> None:
        await self._connection.execute(
            insert(clients).values(
                id=client.id, name=client.name, secret_digest=client.secret_digest, created_at=client.created_at
            )
        )

    async def by_id(self, client_id: UUID) -> Client | None:
        row = await self._connection.fetch_row(_BY_ID, client=client_id)
        return None if row is None else client_of(row)

    async def all(self) -> Sequence[Client]:
        return [client_of(row) for row in await self._connection.fetch(select(clients).order_by(clients.c.id))]

    async def remove(self, client_id: UUID) -> bool:
        return await self._connection.execute(delete(clients).where(clients.c.id == client_id)) == 1
