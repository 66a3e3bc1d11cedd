"""A password for a session. An unknown user, a wrong password and a lost race look and cost the same."""

from dataclasses import dataclass

from application.issue_tokens import IssueTokens
from application.ports import Begin, Clock, Hasher, NewId
from domain.address import normal_email, normal_username
from domain.refusals import Code, Refusal
from domain.session import Lifetimes, Session
from domain.token import TokenPair
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    begin: Begin
    hasher: Hasher
    issue: IssueTokens
    lifetimes: Lifetimes
    clock: Clock
    new_id: NewId

    async def __call__(self, *, login: str, password: str, user_agent: str = "", ip: str = "") -> TokenPair:
        user = await self._find(login)
        verdict = await self.hasher.verify(password, None if user is None else user.password_hash)
        if user is None or not verdict.fits:
            raise Refusal(Code.INVALID_CREDENTIALS, "No user has this login and password.")
        if user.disabled:
            raise Refusal(Code.ACCOUNT_DISABLED, "This account has been disabled.")
        better_hash = await self.hasher.hash(password) if verdict.outdated else None
        session = Session.opened(
            id=self.new_id(),
            user_id=user.id,
            now=self.clock(),
            lifetimes=self.lifetimes,
            user_agent=user_agent,
            ip=ip,
        )
        async with self.begin() as work:
            if better_hash is not None:
                await work.users.rehash(user.id, old=user.password_hash, new=better_hash)
            holder = await work.sessions.open(session, credential_version=user.credential_version)
        if holder is None:
            raise Refusal(Code.INVALID_CREDENTIALS, "No user has this login and password.")
        return self.issue(session, holder)

    async def _find(self, login: str) -> User | None:
        """Usernames hold no @, so a login names one kind of thing only. What cannot be a name is not looked up."""
        try:
            name = normal_email(login) if "@" in login else normal_username(login)
        except Refusal:
            return None
        async with self.begin() as work:
            return await (work.users.by_email(name) if "@" in name else work.users.by_username(name))
