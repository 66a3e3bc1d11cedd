"""For operators: end one session."""

from dataclasses import dataclass
from uuid import UUID

from application.audit import Audit
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.refusals import session_not_found
from domain.session import EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRevokeSession:
    begin: UnitOfWorkFactory
    audit: Audit
    clock: Clock

    async def __call__(self, *, session_id: UUID) -> bool:
        """Return False if the session had already ended. Raises `not_found`."""
        now = self.clock()
        async with self.begin() as work:
            session = await work.sessions.by_id(session_id)
            if session is None:
                raise session_not_found()
            user_id = session.user_id
            event = None if user_id is None else self.audit.event(EventType.SESSION_ENDED, user_id)
            return await work.sessions.end(session_id, now=now, reason=EndReason.LOGOUT, event=event)
