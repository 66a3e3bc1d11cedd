"""Add an authenticator app (TOTP) to the caller's account, in two steps. A second one replaces the first."""

from dataclasses import dataclass, field

from application.factors.challenges import Challenges
from application.factors.enrolment import EnrolledFactor, Enrolment, check_open, factor_name
from application.factors.ports import OneTimePasswords, SecretBox, enrolment_context, totp_context
from application.ports import Clock, NewId
from application.repositories import UnitOfWorkFactory
from domain.challenge import ChallengePurpose
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import Factor, Totp
from domain.refusals import Refusal, challenge_invalid, factor_invalid, token_revoked
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTotp:
    """`secret` is for people who type it, `uri` for authenticator apps, and `qr_code` is the same as SVG text."""

    challenge: str = field(repr=False)
    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr_code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpOptions:
    """The challenge contains the secret, encrypted. Nothing is stored."""

    begin: UnitOfWorkFactory
    challenges: Challenges
    one_time_passwords: OneTimePasswords
    secret_box: SecretBox

    async def __call__(self, caller: AccessToken) -> NewTotp:
        """Raises `token_revoked` or `unavailable`."""
        async with self.begin() as work:
            await check_open(work)
            user = await work.users.by_id(caller.user_id)
        if user is None:
            raise token_revoked()
        challenge = self.challenges.new(ChallengePurpose.ADD_TOTP, user)
        secret = self.one_time_passwords.new_secret()
        encrypted = self.secret_box.encrypt(secret, context=enrolment_context(user.id, challenge.nonce))
        return self._shown(self.challenges.sign(challenge, secret=encrypted), secret, user)

    async def again(self, caller: AccessToken, challenge: str) -> NewTotp:
        """The secret of a challenge that can still be answered, because the person has it in the app already;
        otherwise a new one. Raises `token_revoked` or `unavailable`."""
        try:
            known = self.challenges.read(challenge, ChallengePurpose.ADD_TOTP, user_id=caller.user_id)
        except Refusal:
            return await self(caller)
        async with self.begin() as work:
            user = await work.users.by_id(caller.user_id)
            factors = await work.factors.by_user(caller.user_id, removed=True)
        secret = self.secret_box.decrypt(known.secret, context=enrolment_context(caller.user_id, known.nonce))
        # The secret of an enrolled app is never shown again.
        enrolled = any(one.totp is not None and one.created_at >= known.issued_at for one in factors)
        if user is None or secret is None or enrolled or user.credential_version != known.version:
            return await self(caller)
        return self._shown(challenge, secret, user)

    def _shown(self, challenge: str, secret: bytes, user: User) -> NewTotp:
        uri = self.one_time_passwords.uri(secret, account=user.email)
        return NewTotp(
            challenge=challenge,
            secret=self.one_time_passwords.shown(secret),
            uri=uri,
            qr_code=self.one_time_passwords.qr_code(uri),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTotp:
    begin: UnitOfWorkFactory
    challenges: Challenges
    one_time_passwords: OneTimePasswords
    secret_box: SecretBox
    enrolment: Enrolment
    clock: Clock
    new_id: NewId

    async def __call__(
        self,
        caller: AccessToken,
        *,
        challenge: str,
        code: str,
        name: str | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> EnrolledFactor:
        """`code` is the first code of the app. Raises `challenge_invalid`, `challenge_expired`, `factor_invalid`,
        `not_verified`, `account_disabled`, `step_up_required`, `token_revoked`, `rate_limited`,
        `unavailable` or `malformed`."""
        called = factor_name(name, default="Authenticator app")
        async with self.challenges.answer(challenge, ChallengePurpose.ADD_TOTP, user_id=caller.user_id) as answered:
            context = enrolment_context(caller.user_id, answered.nonce)
            secret = self.secret_box.decrypt(answered.secret, context=context)
            if secret is None:
                raise challenge_invalid()
            step = self.one_time_passwords.step(secret, code, now=self.clock())
            if step is None:
                raise factor_invalid()
            factor_id = self.new_id()
            encrypted = self.secret_box.encrypt(secret, context=totp_context(caller.user_id, factor_id))
            async with self.begin() as work:
                user = await self.enrolment.locked(work, caller, answered)
                factor = Factor(
                    id=factor_id,
                    user_id=user.id,
                    name=called,
                    created_at=self.clock(),
                    added_in=user.factor_version + 1,
                    credential=Totp(encrypted_secret=encrypted, last_step=step),
                )
                return await self.enrolment.add(work, user, factor, caller=caller, client_info=client_info)
