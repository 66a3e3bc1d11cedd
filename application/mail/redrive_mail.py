"""For operators and admins: queue a parked mail again."""

from dataclasses import dataclass
from uuid import UUID

from application.administration.authorize_admin import AuthorizeAdmin
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveMail:
    """The link keeps its expiry. If it has expired, the mail is dropped. `caller` as in `AddClient`."""

    begin: UnitOfWorkFactory
    authorize_admin: AuthorizeAdmin
    clock: Clock

    async def __call__(
        self, *, mail_id: UUID, caller: AccessToken | None = None, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> bool:
        """Return False if no parked mail has that id. Raises the refusals of `AuthorizeAdmin` for a `caller`."""
        async with self.begin() as work:
            actor = await self.authorize_admin(work, caller)
            redriven = await work.outbox.redrive(mail_id, now=self.clock())
            if redriven:
                await self.authorize_admin.record(
                    work, actor, EventType.MAIL_REDRIVEN, detail=f"mail {mail_id}", client_info=client_info
                )
        return redriven
