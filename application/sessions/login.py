"""Log in with a password. An unknown user and a wrong password get the same response, after the same time."""

from dataclasses import dataclass

from application.audit import Audit
from application.credentials.check_password import CheckPassword
from application.ports import Clock, Hasher, NewId
from application.repositories import UnitOfWorkFactory
from application.sessions.issue_tokens import IssueTokens
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.refusals import account_disabled, incorrect_login
from domain.session import Lifetimes, Session
from domain.tokens import TokenPair


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    begin: UnitOfWorkFactory
    check: CheckPassword
    hasher: Hasher
    issue: IssueTokens
    lifetimes: Lifetimes
    audit: Audit
    clock: Clock
    new_id: NewId

    async def __call__(self, *, login: str, password: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> TokenPair:
        """Raises `invalid_credentials`, `account_disabled` or `rate_limited`."""
        user, match = await self.check.for_login(login, password, client_info=client_info)
        if user is None or not match.matches:
            raise incorrect_login()
        if user.disabled:
            raise account_disabled()
        better_hash = await self.hasher.hash(password) if match.needs_rehash else None
        now = self.clock()
        session = Session.opened(
            id=self.new_id(), user_id=user.id, now=now, lifetimes=self.lifetimes, client_info=client_info
        )
        event = self.audit.event(EventType.LOGGED_IN, user.id, by=user.id, client_info=client_info)
        async with self.begin() as work:
            if better_hash is not None:
                await work.users.rehash(user.id, old=user.password_hash, new=better_hash)
            opened = await work.sessions.open(session, credential_version=user.credential_version, event=event)
            if opened is not None:
                for _ in await work.sessions.evict_oldest(session, most=self.lifetimes.sessions):
                    await self.audit.record(
                        work, EventType.SESSION_EVICTED, user.id, by=user.id, client_info=client_info
                    )
        if opened is None:
            raise incorrect_login()
        return self.issue(session, opened)
