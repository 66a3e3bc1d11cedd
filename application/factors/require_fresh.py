"""Check that the caller has authenticated recently, by the strongest means of the account (RFC 9470)."""

from dataclasses import dataclass
from datetime import timedelta

from application.ports import Clock, UserLookup
from application.repositories import UnitOfWork
from domain.authentication import AssuranceLevel
from domain.refusals import account_disabled, token_revoked
from domain.session import Session
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireFresh:
    """`step_up_ttl` is how long an authentication counts as fresh."""

    user_lookup: UserLookup
    clock: Clock
    step_up_ttl: timedelta

    async def __call__(self, caller: AccessToken, *, only_with_factor: bool = False) -> None:
        """With `only_with_factor`, accounts without a factor pass. Raises `step_up_required` or `token_revoked`."""
        user = await self.user_lookup.user(caller.user_id)
        if user is None:
            raise token_revoked()
        if user.factors or not only_with_factor:
            caller.require_fresh(highest=user.highest_level, now=self.clock(), max_age=self.step_up_ttl)

    async def can_reach(self, caller: AccessToken, level: AssuranceLevel | None) -> bool:
        """Whether the account has what a step-up to that level takes."""
        user = await self.user_lookup.user(caller.user_id)
        return user is not None and (level is None or user.highest_level.reaches(level))


@dataclass(frozen=True, slots=True, kw_only=True)
class LockCaller:
    """Locks the caller and checks their token again: since the request began, another one may have ended the session,
    or added a stronger factor."""

    clock: Clock
    step_up_ttl: timedelta

    async def __call__(self, work: UnitOfWork, caller: AccessToken, *, fresh: bool = True) -> tuple[User, Session]:
        """Return the locked user and their session. Raises `token_revoked`, `account_disabled`, and with `fresh`
        `step_up_required`."""
        user = next((one for one in await work.users.lock(caller.user_id) if one.id == caller.user_id), None)
        if user is None:
            raise token_revoked()
        session = await self._session(work, caller)
        if user.disabled:
            raise account_disabled()
        if fresh:
            self._require_fresh(caller, user)
        return user, session

    async def check(self, work: UnitOfWork, caller: AccessToken, user: User) -> Session:
        """The same for a caller who is locked already. Only users with a factor must be fresh."""
        if user.disabled:
            raise account_disabled()
        session = await self._session(work, caller)
        if user.factors:
            self._require_fresh(caller, user)
        return session

    def _require_fresh(self, caller: AccessToken, user: User) -> None:
        caller.require_fresh(highest=user.highest_level, now=self.clock(), max_age=self.step_up_ttl)

    async def _session(self, work: UnitOfWork, caller: AccessToken) -> Session:
        session = await work.sessions.by_id(caller.session_id)
        if session is None or not session.alive(self.clock()) or caller.generation < session.min_generation:
            raise token_revoked()
        return session
