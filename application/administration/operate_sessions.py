"""For operators: list and end the sessions of any user."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.administration.manage_user import ManageUser
from application.administration.operator_lookup import named_user
from application.audit import Audit
from application.ports import Clock
from application.repositories import Begin
from domain.address import normal_email
from domain.event import Action
from domain.refusals import session_not_found
from domain.session import EndReason, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsOf:
    begin: Begin
    clock: Clock

    async def __call__(self, *, email: str) -> Sequence[Session]:
        """Those that are alive, newest first. Raises `not_found`."""
        address = normal_email(email)
        async with self.begin() as work:
            user = await named_user(work, address)
            return await work.sessions.alive(user.id, now=self.clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessionsOf:
    begin: Begin
    manage: ManageUser

    async def __call__(self, *, email: str) -> int:
        """How many have ended, everywhere. Raises `not_found`."""
        address = normal_email(email)
        async with self.begin() as work:
            user = await named_user(work, address)
            return await self.manage.end_sessions(work, user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAnySession:
    begin: Begin
    audit: Audit
    clock: Clock

    async def __call__(self, *, session_id: UUID) -> bool:
        """False where it was over already. Raises `not_found`."""
        now = self.clock()
        async with self.begin() as work:
            session = await work.sessions.by_id(session_id)
            if session is None:
                raise session_not_found()
            of = session.user_id
            event = None if of is None else self.audit.event(Action.SESSION_ENDED, of)
            return await work.sessions.end(session_id, now=now, reason=EndReason.LOGOUT, noted=event)
