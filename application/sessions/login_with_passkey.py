"""Log in with a passkey alone. The passkey says who the user is."""

from dataclasses import dataclass
from typing import Generic

from application.credentials.count_failures import count_failures
from application.factors.challenges import Challenges, use_challenge
from application.factors.check_factor import CheckFactor, PresentedFactor
from application.factors.ports import Json, Passkeys
from application.ports import Clock, RateLimiter
from application.repositories import UnitOfWorkFactory
from application.sessions.open_session import OpenSession
from application.sessions.ports import Issue, Result
from domain.authentication import Authentication
from domain.challenge import ChallengePurpose
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.rate_limits import Bucket, Limit
from domain.refusals import ErrorCode, account_disabled, challenge_invalid, factor_invalid

_FAILURES = frozenset({ErrorCode.CHALLENGE_INVALID, ErrorCode.CHALLENGE_EXPIRED, ErrorCode.FACTOR_INVALID})


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyLoginOptions:
    """The same for all callers; nothing is stored. `local_rate_limiter` counts in this process: a shared counter
    would cost as much as the options."""

    challenges: Challenges
    passkeys: Passkeys
    local_rate_limiter: RateLimiter

    async def __call__(self, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> tuple[str, Json]:
        """Return a challenge, and the options for `navigator.credentials.get`. Raises `rate_limited`."""
        await self.local_rate_limiter.acquire(Bucket(Limit.PASSKEY_OPTIONS, (client_info.network,)))
        challenge = self.challenges.new(ChallengePurpose.PASSKEY_LOGIN)
        return self.challenges.sign(challenge), self.passkeys.request_options(challenge.nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginWithPasskey(Generic[Result]):
    begin: UnitOfWorkFactory
    autocommit: UnitOfWorkFactory
    challenges: Challenges
    passkeys: Passkeys
    rate_limiter: RateLimiter
    check_factor: CheckFactor
    open_session: OpenSession
    issue: Issue[Result]
    clock: Clock

    async def __call__(self, *, challenge: str, credential: Json, client_info: ClientInfo = UNKNOWN_CLIENT) -> Result:
        """Raises `challenge_invalid`, `challenge_expired`, `factor_invalid`, `account_disabled` or
        `rate_limited`."""
        bucket = Bucket(Limit.PASSKEY_LOGIN, (client_info.network,))
        async with (
            count_failures(self.rate_limiter, bucket, _FAILURES),
            self.challenges.answer(challenge, ChallengePurpose.PASSKEY_LOGIN) as answered,
        ):
            async with self.autocommit() as work:
                found = await work.factors.by_credential_id(self.passkeys.credential_id(credential))
            if found is None:
                raise factor_invalid()
            factor, user = found
            presented = PresentedFactor(passkey=credential)
            async with self.check_factor.verified(
                user, [factor], presented, nonce=answered.nonce, client_info=client_info
            ) as verified:
                if verified.assertion is None or not verified.assertion.names_user:
                    raise factor_invalid()
                if user.disabled:
                    raise account_disabled()
                authentication = Authentication.by_passkey(self.clock())
                async with self.begin() as work:
                    # First, because it locks the user, as every change of factors does.
                    opened = await self.open_session(work, user, authentication, client_info=client_info)
                    if opened is None:
                        raise challenge_invalid()
                    await use_challenge(work, answered)
                    await self.check_factor.use(work, user, verified, client_info=client_info)
        return self.issue(*opened)
