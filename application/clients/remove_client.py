"""For operators: remove a client."""

from dataclasses import dataclass
from uuid import UUID

from application.repositories import UnitOfWorkFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveClient:
    begin: UnitOfWorkFactory

    async def __call__(self, client_id: UUID) -> bool:
        """Return False if there is no such client. Its secret is refused from the next request on."""
        async with self.begin() as work:
            return await work.clients.remove(client_id)
