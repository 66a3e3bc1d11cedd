"""A password for a session. An unknown user, a wrong password and a lost race look and cost the same."""

from dataclasses import dataclass
from uuid import UUID

from application.check_password import CheckPassword
from application.issue_tokens import IssueTokens
from application.ports import Clock, Hasher, NewId
from application.store import Begin
from domain.event import Action, Event
from domain.origin import NOWHERE, Origin
from domain.refusals import Code, Refusal
from domain.session import Lifetimes, Session
from domain.token import TokenPair


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    begin: Begin
    check: CheckPassword
    hasher: Hasher
    issue: IssueTokens
    lifetimes: Lifetimes
    clock: Clock
    new_id: NewId

    async def __call__(self, *, login: str, password: str, origin: Origin = NOWHERE) -> TokenPair:
        user, verdict = await self.check.of_login(login, password, origin=origin)
        if user is None or not verdict.fits:
            raise Refusal(Code.INVALID_CREDENTIALS, "Incorrect login or password.")
        if user.disabled:
            raise Refusal(Code.ACCOUNT_DISABLED, "This account has been disabled.")
        better_hash = await self.hasher.hash(password) if verdict.outdated else None
        now = self.clock()
        session = Session.opened(id=self.new_id(), user_id=user.id, now=now, lifetimes=self.lifetimes, origin=origin)
        event = self._event(Action.LOGGED_IN, session, user.id)
        async with self.begin() as work:
            if better_hash is not None:
                await work.users.rehash(user.id, old=user.password_hash, new=better_hash)
            opened = await work.sessions.open(session, credential_version=user.credential_version, noted=event)
            if opened is not None:
                for _ in await work.sessions.make_room(session, most=self.lifetimes.sessions):
                    await work.events.add(self._event(Action.SESSION_EVICTED, session, user.id))
        if opened is None:
            raise Refusal(Code.INVALID_CREDENTIALS, "Incorrect login or password.")
        return self.issue(session, opened)

    def _event(self, action: Action, session: Session, user_id: UUID) -> Event:
        now, origin = session.created_at, session.origin
        return Event.of(action, user_id, id=self.new_id(), now=now, by=user_id, origin=origin)
