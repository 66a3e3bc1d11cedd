"""Rate limits for mailed links, with reserves for the owner of the mailbox that strangers cannot use up."""

from dataclasses import dataclass

from application.ports import Clock, RateLimiter
from application.repositories import UnitOfWorkFactory
from domain.client_info import ClientInfo
from domain.rate_limit_buckets import mail_network_buckets, mail_recipient_buckets, mail_reserves
from domain.rate_limits import Limit
from domain.refusals import Refusal, earliest_retry

_BY_STRANGERS = {Limit.MAIL_RECIPIENT, Limit.MAIL_DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitMail:
    begin: UnitOfWorkFactory
    rate_limiter: RateLimiter
    clock: Clock

    async def __call__(self, kind: str, email: str, client_info: ClientInfo) -> bool:
        """Return whether a reserve was used. Raises `rate_limited`."""
        network_buckets = mail_network_buckets(kind, email, client_info)
        try:
            await self.rate_limiter.acquire(*network_buckets, *mail_recipient_buckets(kind, email))
        except Refusal as refusal:
            if refusal.reason not in _BY_STRANGERS:
                raise
            earliest = refusal
        else:
            return False
        home_reserve, reset_reserve = mail_reserves(kind, email)
        for reserve in (reset_reserve if earliest.reason == Limit.MAIL_DAY else None, home_reserve):
            if reserve is None or (reserve is home_reserve and not await self._is_known_network(email, client_info)):
                continue
            try:
                await self.rate_limiter.acquire(*network_buckets, reserve)
            except Refusal as refusal:
                earliest = earliest_retry(earliest, refusal)
            else:
                return True
        raise earliest

    async def _is_known_network(self, email: str, client_info: ClientInfo) -> bool:
        if not client_info.network:
            return False
        async with self.begin() as work:
            return await work.sessions.has_session_in_network(email, client_info.network, now=self.clock())
