"""Which of our programs is asking?"""

from dataclasses import dataclass
from hmac import compare_digest
from uuid import UUID

from application.ports import Limits
from application.repositories import Begin
from domain.client import Client, digest_of
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.limits import Bucket, Limit
from domain.refusals import ErrorCode, Refusal

_NOBODYS = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyClient:
    begin: Begin
    limits: Limits

    async def __call__(self, client_id: str, secret: str, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> Client:
        """Raises `invalid_credentials`, after the same comparison for an unknown client as for a wrong secret.

        Only wrong secrets are counted and delayed. A secret has 256 random bits and cannot be
        guessed; and a program that shares a network with a client must not be able to lock it out.
        """
        client = await self._find(client_id)
        fits = compare_digest(digest_of(secret), _NOBODYS if client is None else client.secret_digest)
        if client is None or not fits:
            await self.limits.spend(Bucket(Limit.CLIENT, (client_info.network,)))
            raise Refusal(ErrorCode.INVALID_CREDENTIALS, "Incorrect client id or secret.")
        return client

    async def _find(self, client_id: str) -> Client | None:
        """An id has one spelling."""
        try:
            found = UUID(client_id)
        except ValueError:
            return None
        if str(found) != client_id:
            return None
        async with self.begin() as work:
            return await work.clients.by_id(found)
