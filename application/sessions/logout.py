"""End the session of the caller. When the call returns, it has ended everywhere."""

from dataclasses import dataclass

from application.audit import Audit
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.session import EndReason
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout:
    autocommit: UnitOfWorkFactory
    audit: Audit
    clock: Clock

    async def __call__(self, caller: AccessToken, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> None:
        now, user_id = self.clock(), caller.user_id
        event = self.audit.event(EventType.LOGGED_OUT, user_id, by=user_id, client_info=client_info)
        async with self.autocommit() as work:
            await work.sessions.end(caller.session_id, now=now, reason=EndReason.LOGOUT, event=event)
