"""Log in with a password. An unknown user and a wrong password get the same response, after the same time."""

from dataclasses import dataclass
from typing import Generic

from application.credentials.check_password import CheckPassword
from application.factors.challenges import Challenges
from application.factors.ports import Passkeys
from application.ports import Clock, Hasher
from application.repositories import UnitOfWork, UnitOfWorkFactory
from application.sessions.open_session import OpenSession
from application.sessions.ports import Issue, Result
from domain.authentication import Authentication
from domain.challenge import ChallengePurpose
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import FactorKind, credential_ids
from domain.refusals import ErrorCode, Refusal, account_disabled, incorrect_login
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Login(Generic[Result]):
    begin: UnitOfWorkFactory
    check: CheckPassword
    hasher: Hasher
    open_session: OpenSession
    issue: Issue[Result]
    challenges: Challenges
    passkeys: Passkeys
    clock: Clock

    async def __call__(self, *, login: str, password: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> Result:
        """Raises `invalid_credentials`, `account_disabled`, `second_factor_required` or `rate_limited`."""
        user, match = await self.check.for_login(login, password, client_info=client_info)
        if user is None or not match.matches:
            raise incorrect_login()
        if user.disabled:
            raise account_disabled()
        better_hash = await self.hasher.hash(password) if match.needs_rehash else None
        authentication = Authentication.by_password(self.clock())
        async with self.begin() as work:
            if better_hash is not None:
                await work.users.rehash(user.id, old=user.password_hash, new=better_hash)
            opened, refusal = None, incorrect_login()
            if user.factors:
                refusal = await self._second_factor_required(work, user)
            else:
                opened = await self.open_session(work, user, authentication, client_info=client_info)
        if opened is None:
            raise refusal
        return self.issue(*opened)

    async def _second_factor_required(self, work: UnitOfWork, user: User) -> Refusal:
        factors = await work.factors.by_user(user.id)
        codes = await work.factors.recovery_codes(user.id)
        challenge = self.challenges.new(ChallengePurpose.LOGIN, user)
        allowed = credential_ids(factors)
        extensions: dict[str, object] = {
            "challenge": self.challenges.sign(challenge),
            "factors": [
                *(kind.value for kind in FactorKind if kind in user.factors),
                *(["recovery_code"] if codes is not None and codes.left else []),
            ],
        }
        options = self.passkeys.request_options(challenge.nonce, allow=allowed) if allowed else None
        extensions["passkey_options"] = options
        text = "The password is correct. Send a second factor to POST /v1/login/factor."
        return Refusal(ErrorCode.SECOND_FACTOR_REQUIRED, text, extensions=extensions)
