"""For operators and admins: remove a client."""

from dataclasses import dataclass
from uuid import UUID

from application.administration.authorize_admin import AuthorizeAdmin
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveClient:
    """`caller` as in `AddClient`."""

    begin: UnitOfWorkFactory
    authorize_admin: AuthorizeAdmin

    async def __call__(
        self, client_id: UUID, *, caller: AccessToken | None = None, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> bool:
        """Return False if there is no such client. Its secret is refused from the next request on. Raises the
        refusals of `AuthorizeAdmin` for a `caller`."""
        async with self.begin() as work:
            actor = await self.authorize_admin(work, caller)
            removed = await work.clients.remove(client_id)
            if removed:
                await self.authorize_admin.record(
                    work, actor, EventType.CLIENT_REMOVED, detail=f"client {client_id}", client_info=client_info
                )
        return removed
