"""Add a passkey to the caller's account, in two steps."""

from dataclasses import dataclass

from application.factors.challenges import Challenges
from application.factors.enrolment import EnrolledFactor, Enrolment, check_open, factor_name
from application.factors.ports import Json, Passkeys
from application.ports import Clock, NewId
from application.repositories import UnitOfWorkFactory
from domain.challenge import ChallengePurpose
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import Factor, credential_ids
from domain.refusals import token_revoked
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyOptions:
    begin: UnitOfWorkFactory
    challenges: Challenges
    passkeys: Passkeys

    async def __call__(self, caller: AccessToken) -> tuple[str, Json]:
        """Return a challenge, and the options for `navigator.credentials.create`. Raises `token_revoked` or
        `unavailable`."""
        async with self.begin() as work:
            await check_open(work)
            user = await work.users.by_id(caller.user_id)
            factors = await work.factors.by_user(caller.user_id)
        if user is None:
            raise token_revoked()
        challenge = self.challenges.new(ChallengePurpose.ADD_PASSKEY, user)
        options = self.passkeys.creation_options(user, challenge.nonce, exclude=credential_ids(factors))
        return self.challenges.sign(challenge), options


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPasskey:
    begin: UnitOfWorkFactory
    challenges: Challenges
    passkeys: Passkeys
    enrolment: Enrolment
    clock: Clock
    new_id: NewId

    async def __call__(
        self,
        caller: AccessToken,
        *,
        challenge: str,
        credential: Json,
        name: str | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> EnrolledFactor:
        """Raises `challenge_invalid`, `challenge_expired`, `factor_invalid`, `passkey_unsuitable`, `factor_exists`,
        `factor_limit`, `not_verified`, `account_disabled`, `step_up_required`, `token_revoked`,
        `rate_limited`, `unavailable` or `malformed`."""
        called = factor_name(name, default="Passkey")
        async with self.challenges.answer(
            challenge, ChallengePurpose.ADD_PASSKEY, user_id=caller.user_id
        ) as answered:
            passkey = self.passkeys.verify_registration(credential, answered.nonce)
            async with self.begin() as work:
                user = await self.enrolment.locked(work, caller, answered)
                factor = Factor(
                    id=self.new_id(),
                    user_id=user.id,
                    name=called,
                    created_at=self.clock(),
                    added_in=user.factor_version + 1,
                    credential=passkey,
                )
                return await self.enrolment.add(work, user, factor, caller=caller, client_info=client_info)
