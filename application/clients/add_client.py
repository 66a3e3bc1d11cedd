"""For operators: add a client. Its secret is shown only once."""

from dataclasses import dataclass

from application.ports import Clock, NewId, NewSecret
from application.repositories import UnitOfWorkFactory
from domain.client import Client, digest_of
from domain.refusals import ErrorCode, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class AddClient:
    begin: UnitOfWorkFactory
    clock: Clock
    new_id: NewId
    new_secret: NewSecret

    async def __call__(self, *, name: str) -> tuple[Client, str]:
        """Return the client and its secret, which is not stored. Raises `malformed`."""
        if not (name.isprintable() and 1 <= len(name.strip()) <= 64):
            raise Refusal(ErrorCode.MALFORMED, "A name must have 1 to 64 printable characters.", field="name")
        secret = self.new_secret()
        client = Client(id=self.new_id(), name=name.strip(), secret_digest=digest_of(secret), created_at=self.clock())
        async with self.begin() as work:
            await work.clients.add(client)
        return client, secret
