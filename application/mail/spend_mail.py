"""Rate limits for mailed links, with reserves for the owner of the mailbox that strangers cannot use up."""

from dataclasses import dataclass

from application.ports import Clock, Limits
from application.repositories import UnitOfWorkFactory
from domain.client_info import ClientInfo
from domain.rate_limit_buckets import mail_buckets_of_network, mail_buckets_of_recipient, mail_reserves
from domain.rate_limits import Limit
from domain.refusals import Refusal, sooner

_BY_STRANGERS = {Limit.MAIL_RECIPIENT, Limit.MAIL_DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendMail:
    begin: UnitOfWorkFactory
    limits: Limits
    clock: Clock

    async def __call__(self, kind: str, address: str, client_info: ClientInfo) -> None:
        """Raises `rate_limited`."""
        own = mail_buckets_of_network(kind, address, client_info)
        try:
            await self.limits.spend(*own, *mail_buckets_of_recipient(kind, address))
        except Refusal as refusal:
            if refusal.reason not in _BY_STRANGERS:
                raise
            full = refusal
        else:
            return
        home, last = mail_reserves(kind, address)
        for reserve in (last if full.reason == Limit.MAIL_DAY else None, home):
            if reserve is None or (reserve is home and not await self._is_home(address, client_info)):
                continue
            try:
                await self.limits.spend(*own, reserve)
            except Refusal as refusal:
                full = sooner(full, refusal)
            else:
                return
        raise full

    async def _is_home(self, address: str, client_info: ClientInfo) -> bool:
        if not client_info.network:
            return False
        async with self.begin() as work:
            return await work.sessions.has_session_in_network(address, client_info.network, now=self.clock())
