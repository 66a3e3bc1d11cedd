"""For operators: remove a client."""

from dataclasses import dataclass
from uuid import UUID

from application.repositories import Begin


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveClient:
    begin: Begin

    async def __call__(self, client_id: UUID) -> bool:
        """Return False if there is no such client. Its secret is refused from the next request on."""
        async with self.begin() as work:
            return await work.clients.remove(client_id)
