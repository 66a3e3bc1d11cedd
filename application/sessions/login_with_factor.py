"""The second step of a login: a factor answers the challenge that the right password got."""

from dataclasses import dataclass
from typing import Generic

from application.factors.challenges import Challenges, use_challenge
from application.factors.check_factor import CheckFactor, PresentedFactor
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from application.sessions.open_session import OpenSession
from application.sessions.ports import Issue, Result
from domain.authentication import Authentication
from domain.challenge import ChallengePurpose
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.refusals import challenge_invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginWithFactor(Generic[Result]):
    begin: UnitOfWorkFactory
    autocommit: UnitOfWorkFactory
    challenges: Challenges
    check_factor: CheckFactor
    open_session: OpenSession
    issue: Issue[Result]
    clock: Clock

    async def __call__(
        self, *, challenge: str, factor: PresentedFactor, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> Result:
        """Raises `challenge_invalid`, `challenge_expired`, `factor_invalid` or `rate_limited`."""
        async with self.challenges.answer(challenge, ChallengePurpose.LOGIN) as answered:
            async with self.autocommit() as work:
                user = None if answered.user_id is None else await work.users.by_id(answered.user_id)
                factors = [] if user is None else await work.factors.by_user(user.id)
            if user is None or not user.factors or user.credential_version != answered.version:
                raise challenge_invalid()
            async with self.check_factor.verified(
                user, factors, factor, nonce=answered.nonce, client_info=client_info
            ) as verified:
                by_password = Authentication.by_password(answered.issued_at)
                authentication = by_password.with_factor(verified.method, self.clock())
                async with self.begin() as work:
                    await work.users.lock(user.id)  # before the factor, as every change of factors does
                    await use_challenge(work, answered)
                    await self.check_factor.use(work, user, verified, client_info=client_info)
                    opened = await self.open_session(work, user, authentication, client_info=client_info)
                    if opened is None:
                        raise challenge_invalid()
        return self.issue(*opened)
