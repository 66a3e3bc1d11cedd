"""End one session of the caller. When the call returns, it has ended everywhere."""

from dataclasses import dataclass
from uuid import UUID

from application.audit import Audit
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.refusals import session_not_found
from domain.session import EndReason
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeOwnSession:
    """Ending a session that has ended succeeds, and also waits until that is in force everywhere."""

    begin: UnitOfWorkFactory
    audit: Audit
    clock: Clock

    async def __call__(
        self, caller: AccessToken, session_id: UUID, *, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> None:
        """Raises `not_found`, also for another user's session."""
        now, user_id = self.clock(), caller.user_id
        async with self.begin() as work:
            session = await work.sessions.by_id(session_id)
            if session is None or session.user_id != user_id:
                raise session_not_found()
            event = self.audit.event(EventType.SESSION_ENDED, user_id, by=user_id, client_info=client_info)
            await work.sessions.end(
                session_id, now=now, reason=EndReason.LOGOUT, event=event if session.alive(now) else None
            )
