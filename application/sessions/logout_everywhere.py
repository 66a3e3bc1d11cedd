"""End all sessions of the caller, or all others. When the call returns, they have ended everywhere."""

from dataclasses import dataclass

from application.audit import Audit
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.session import EndReason
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutEverywhere:
    begin: UnitOfWorkFactory
    audit: Audit
    clock: Clock

    async def __call__(
        self, caller: AccessToken, *, keep_current: bool = False, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> None:
        now, user_id = self.clock(), caller.user_id
        keeping = caller.session_id if keep_current else None
        async with self.begin() as work:
            await work.sessions.end_all(user_id, now=now, reason=EndReason.LOGOUT_ALL, keeping=keeping)
            await self.audit.record(
                work, EventType.LOGGED_OUT_EVERYWHERE, user_id, by=user_id, client_info=client_info
            )
