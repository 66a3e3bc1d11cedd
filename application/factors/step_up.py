"""Authenticate again within a session (RFC 9470). The result is a short access token; the session stays as it is, so
that its refresh token does not carry the elevation on."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.audit import Audit
from application.credentials.check_password import CheckPassword
from application.factors.challenges import Challenges, use_challenge
from application.factors.check_factor import CheckFactor, PresentedFactor
from application.factors.enrolment import check_open
from application.factors.ports import Json, Passkeys
from application.factors.require_fresh import LockCaller
from application.ports import Clock
from application.repositories import UnitOfWork, UnitOfWorkFactory
from application.sessions.issue_tokens import IssueTokens
from domain.audit import EventType
from domain.authentication import Authentication
from domain.challenge import Challenge, ChallengePurpose
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import Factor, credential_ids
from domain.refusals import account_disabled, challenge_invalid, incorrect_password, token_revoked
from domain.tokens import AccessToken, SteppedUpToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpOptions:
    autocommit: UnitOfWorkFactory
    challenges: Challenges
    passkeys: Passkeys

    async def __call__(self, caller: AccessToken) -> tuple[str, Json, Sequence[Factor], bool]:
        """Return a challenge, the options for the caller's passkeys, the caller's factors, and whether there are
        unused recovery codes. Raises `token_revoked`."""
        async with self.autocommit() as work:
            user = await work.users.by_id(caller.user_id)
            factors = await work.factors.by_user(caller.user_id)
            codes = await work.factors.recovery_codes(caller.user_id)
        if user is None:
            raise token_revoked()
        challenge = self.challenges.new(ChallengePurpose.STEP_UP, user)
        options = self.passkeys.request_options(challenge.nonce, allow=credential_ids(factors))
        return self.challenges.sign(challenge), options, factors, codes is not None and codes.left > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp:
    begin: UnitOfWorkFactory
    autocommit: UnitOfWorkFactory
    lock_caller: LockCaller
    check: CheckPassword
    check_factor: CheckFactor
    challenges: Challenges
    issue: IssueTokens
    audit: Audit
    clock: Clock

    async def by_password(
        self, caller: AccessToken, *, password: str, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> SteppedUpToken:
        """Raises `invalid_credentials`, `account_disabled`, `token_revoked`, `unavailable` or `rate_limited`."""
        user = await self._read(caller)
        if not await self.check.for_user(user, password, client_info=client_info):
            raise incorrect_password()
        async with self.begin() as work:
            await check_open(work)
            user, session = await self.lock_caller(work, caller, fresh=False)
            await self._record(work, user, "password", client_info)
        return self.issue.stepped_up(session, caller.generation, user, Authentication.by_password(self.clock()))

    async def by_factor(
        self,
        caller: AccessToken,
        *,
        factor: PresentedFactor,
        challenge: str | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> SteppedUpToken:
        """A passkey needs the `challenge` that it has signed. Raises `factor_invalid`, `challenge_invalid`,
        `challenge_expired`, `account_disabled`, `token_revoked` or `rate_limited`."""
        user = await self._read(caller)
        async with self.autocommit() as work:
            factors = await work.factors.by_user(user.id)
        if factor.passkey is None:
            return await self._use(caller, user, factors, factor, None, client_info)
        if challenge is None:
            raise challenge_invalid()
        async with self.challenges.answer(challenge, ChallengePurpose.STEP_UP, user_id=user.id) as answered:
            if answered.version != user.credential_version:
                raise challenge_invalid()
            return await self._use(caller, user, factors, factor, answered, client_info)

    async def _read(self, caller: AccessToken) -> User:
        async with self.autocommit() as work:
            user = await work.users.by_id(caller.user_id)
        if user is None:
            raise token_revoked()
        if user.disabled:
            raise account_disabled()
        return user

    async def _use(
        self,
        caller: AccessToken,
        user: User,
        factors: Sequence[Factor],
        factor: PresentedFactor,
        challenge: Challenge | None,
        client_info: ClientInfo,
    ) -> SteppedUpToken:
        nonce = None if challenge is None else challenge.nonce
        async with (
            self.check_factor.verified(user, factors, factor, nonce=nonce, client_info=client_info) as verified,
            self.begin() as work,
        ):
            user, session = await self.lock_caller(work, caller, fresh=False)
            if challenge is not None:
                await use_challenge(work, challenge)
            await self.check_factor.use(work, user, verified, client_info=client_info)
            await self._record(work, user, verified.method, client_info)
        authentication = caller.authentication.with_factor(verified.method, self.clock())
        return self.issue.stepped_up(session, caller.generation, user, authentication)

    async def _record(self, work: UnitOfWork, user: User, method: str, client_info: ClientInfo) -> None:
        await self.audit.record(
            work, EventType.STEPPED_UP, user.id, by=user.id, client_info=client_info, detail=method
        )
