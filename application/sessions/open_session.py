"""Open a session, and end the oldest ones beyond the maximum."""

from dataclasses import dataclass

from application.audit import Audit
from application.ports import Clock, NewId
from application.repositories import UnitOfWork
from domain.audit import EventType
from domain.authentication import Authentication
from domain.client_info import ClientInfo
from domain.session import Lifetimes, Session
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    lifetimes: Lifetimes
    audit: Audit
    clock: Clock
    new_id: NewId

    async def __call__(
        self, work: UnitOfWork, user: User, authentication: Authentication, *, client_info: ClientInfo
    ) -> tuple[Session, User] | None:
        """Return the session and its user as stored. None if the user was disabled, or their credentials or factors
        have changed since `user` was read."""
        session = Session.opened(
            id=self.new_id(),
            user_id=user.id,
            now=self.clock(),
            lifetimes=self.lifetimes,
            client_info=client_info,
            authentication=authentication,
        )
        event = self.audit.event(EventType.LOGGED_IN, user.id, by=user.id, client_info=client_info)
        opened = await work.sessions.open(
            session, credential_version=user.credential_version, factor_version=user.factor_version, event=event
        )
        if opened is None:
            return None
        for _ in await work.sessions.evict_oldest(session, most=self.lifetimes.sessions):
            await self.audit.record(work, EventType.SESSION_EVICTED, user.id, by=user.id, client_info=client_info)
        return session, opened
