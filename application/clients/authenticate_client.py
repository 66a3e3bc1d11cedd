"""Authenticate a client by its id and secret."""

from dataclasses import dataclass
from hmac import compare_digest
from uuid import UUID

from application.ports import RateLimiter
from application.repositories import UnitOfWorkFactory
from domain.client import Client, digest_of
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.rate_limits import Bucket, Limit
from domain.refusals import ErrorCode, Refusal

_DECOY_DIGEST = bytes(32)
"""Compared for an unknown client, so that it costs the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticateClient:
    begin: UnitOfWorkFactory
    rate_limiter: RateLimiter

    async def __call__(self, client_id: str, secret: str, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> Client:
        """Raises `invalid_credentials`, or `rate_limited` after too many wrong secrets.

        An unknown client costs the same comparison as a wrong secret. Only wrong secrets are counted: a secret has
        256 random bits and cannot be guessed, and other programs in its network must not lock a client out.
        """
        client = await self._find(client_id)
        matches = compare_digest(digest_of(secret), _DECOY_DIGEST if client is None else client.secret_digest)
        if client is None or not matches:
            await self.rate_limiter.acquire(Bucket(Limit.CLIENT, (client_info.network,)))
            raise Refusal(ErrorCode.INVALID_CREDENTIALS, "Incorrect client id or secret.")
        return client

    async def _find(self, client_id: str) -> Client | None:
        """Only the canonical form of a UUID is accepted."""
        try:
            uuid = UUID(client_id)
        except ValueError:
            return None
        if str(uuid) != client_id:
            return None
        async with self.begin() as work:
            return await work.clients.by_id(uuid)
