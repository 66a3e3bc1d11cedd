"""For operators and admins: add a client. Its secret is shown only once."""

from dataclasses import dataclass

from application.administration.authorize_admin import AuthorizeAdmin
from application.ports import Clock, NewId, NewSecret
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client import Client, digest_of
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.refusals import ErrorCode, Refusal
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class AddClient:
    """`caller` is an admin, or None for an operator."""

    begin: UnitOfWorkFactory
    authorize_admin: AuthorizeAdmin
    clock: Clock
    new_id: NewId
    new_secret: NewSecret

    async def __call__(
        self, *, name: str, caller: AccessToken | None = None, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> tuple[Client, str]:
        """Return the client and its secret, which is not stored. Raises `malformed`, and for a `caller` the refusals
        of `AuthorizeAdmin`."""
        if not (name.isprintable() and 1 <= len(name.strip()) <= 64):
            raise Refusal(ErrorCode.MALFORMED, "A name must have 1 to 64 printable characters.", field="name")
        secret = self.new_secret()
        client = Client(id=self.new_id(), name=name.strip(), secret_digest=digest_of(secret), created_at=self.clock())
        async with self.begin() as work:
            actor = await self.authorize_admin(work, caller)
            await work.clients.add(client)
            await self.authorize_admin.record(
                work, actor, EventType.CLIENT_ADDED, detail=f"client {client.id}", client_info=client_info
            )
        return client, secret
