"""For operators: list and end the sessions of any user."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports import Clock, NewId
from application.store import Begin, Work
from domain.address import normal_email
from domain.event import Action, Event
from domain.refusals import Code, Refusal
from domain.session import EndReason, Session
from domain.user import User


async def _holder(work: Work, email: str) -> User:
    user = await work.users.by_email(normal_email(email))
    if user is None:
        raise Refusal(Code.NOT_FOUND, "User not found.")
    return user


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsOf:
    begin: Begin
    clock: Clock

    async def __call__(self, *, email: str) -> Sequence[Session]:
        """Those that are alive, newest first. Raises `not_found`."""
        async with self.begin() as work:
            user = await _holder(work, email)
            return await work.sessions.alive(user.id, now=self.clock())


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessionsOf:
    begin: Begin
    clock: Clock
    new_id: NewId

    async def __call__(self, *, email: str) -> int:
        """How many have ended, everywhere. Raises `not_found`."""
        now = self.clock()
        async with self.begin() as work:
            user = await _holder(work, email)
            ended = await work.sessions.end_all(user.id, now=now, reason=EndReason.LOGOUT_ALL)
            event = Event.of(Action.LOGGED_OUT_EVERYWHERE, user.id, id=self.new_id(), now=now)
            await work.events.add(event)
        return ended


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAnySession:
    begin: Begin
    clock: Clock
    new_id: NewId

    async def __call__(self, *, session_id: UUID) -> bool:
        """False where it was over already. Raises `not_found`."""
        now = self.clock()
        async with self.begin() as work:
            session = await work.sessions.by_id(session_id)
            if session is None:
                raise Refusal(Code.NOT_FOUND, "Session not found.")
            of = session.user_id
            event = None if of is None else Event.of(Action.SESSION_ENDED, of, id=self.new_id(), now=now)
            return await work.sessions.end(session_id, now=now, reason=EndReason.LOGOUT, noted=event)
