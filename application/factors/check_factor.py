"""Verify a second factor under rate limits, and use it up. Every use case that asks for one uses this."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

from application.audit import Audit
from application.factors.ports import Assertion, Json, OneTimePasswords, Passkeys, SecretBox, totp_context
from application.factors.undo_points import UndoPoints
from application.ports import Clock, RateLimiter
from application.repositories import UnitOfWork
from domain.audit import EventType
from domain.client_info import ClientInfo
from domain.factor import ChangeKind, Factor, Totp, recovery_code_digest
from domain.rate_limit_buckets import factor_buckets, notice_bucket
from domain.refusals import ErrorCode, Refusal, factor_invalid
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedFactor:
    """Exactly one of these is given; see `of`."""

    totp: str | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)
    passkey: Json | None = field(default=None, repr=False)

    @classmethod
    def of(cls, *, totp: str | None, recovery_code: str | None, passkey: Json | None) -> Self:
        """Raises `malformed` unless exactly one is given."""
        if sum(given is not None for given in (totp, recovery_code, passkey)) != 1:
            text = "send exactly one of totp, recovery_code and passkey"
            raise Refusal(ErrorCode.MALFORMED, text, field="totp")
        return cls(totp=totp, recovery_code=recovery_code, passkey=passkey)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFactor:
    """A factor that was verified and is not used up yet. `method` is `passkey`, `totp` or `recovery_code`."""

    method: str
    factor: Factor | None = None
    step: int = 0
    digest: bytes = field(default=b"", repr=False)
    assertion: Assertion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFactor:
    """Codes are counted before they are verified, and refunded if they are right. Passkeys cannot be guessed, so they
    are not counted. Recovery codes cannot be guessed either: the daily limit, which a thief of the password can use
    up, counts wrong ones but refuses no right one."""

    passkeys: Passkeys
    one_time_passwords: OneTimePasswords
    secret_box: SecretBox
    rate_limiter: RateLimiter
    audit: Audit
    undo_points: UndoPoints
    clock: Clock

    @asynccontextmanager
    async def verified(
        self,
        user: User,
        factors: Sequence[Factor],
        presented: PresentedFactor,
        *,
        nonce: bytes | None,
        client_info: ClientInfo,
    ) -> AsyncIterator[VerifiedFactor]:
        """Verify the factor; the block uses it. `nonce` is that of the challenge, which a passkey must have signed.
        Raises `factor_invalid` or `rate_limited`. If the block raises, the attempt stays counted."""
        if presented.passkey is not None:
            yield self._by_passkey(user, factors, presented.passkey, nonce)
            return
        network, day = factor_buckets(user.id, client_info)
        guessable = presented.totp is not None
        reservation = await self.rate_limiter.acquire(*([network, day] if guessable else [network]))
        try:
            yield self._by_code(user, factors, presented)
        except Refusal as refusal:
            if refusal.code in (ErrorCode.UNAVAILABLE, ErrorCode.OVERLOADED):
                await self.rate_limiter.cancel(reservation)
            elif not guessable:
                await self.rate_limiter.acquire(day)
            raise
        await self.rate_limiter.cancel(reservation)

    async def use(self, work: UnitOfWork, user: User, factor: VerifiedFactor, *, client_info: ClientInfo) -> None:
        """Use up the factor in this unit of work. Raises `factor_invalid` if another request was faster."""
        now = self.clock()
        if factor.factor is not None and factor.assertion is not None:
            used = await work.factors.use_passkey(
                factor.factor.id,
                sign_count=factor.assertion.sign_count,
                backed_up=factor.assertion.backed_up,
                now=now,
            )
            if used and factor.factor.passkey and factor.factor.passkey.is_cloned(factor.assertion.sign_count):
                await self._report_clone(work, user, client_info)
        elif factor.factor is not None:
            used = await work.factors.use_totp(factor.factor.id, step=factor.step, now=now)
        else:
            used = await work.factors.use_recovery_code(user.id, factor.digest, now=now)
            if used:
                await self.audit.record(
                    work, EventType.RECOVERY_CODE_USED, user.id, by=user.id, client_info=client_info
                )
                await self.undo_points.add(work, user, ChangeKind.RECOVERY_CODE_USED, client_info=client_info)
        if not used:
            raise factor_invalid()

    async def _report_clone(self, work: UnitOfWork, user: User, client_info: ClientInfo) -> None:
        """The login succeeds: some authenticators lose their counter. The owner decides."""
        await self.audit.record(work, EventType.PASSKEY_CLONED, user.id, by=user.id, client_info=client_info)
        with suppress(Refusal):  # the mails are limited, the event is not
            await self.rate_limiter.acquire(notice_bucket(user.email))
            await self.undo_points.add(work, user, ChangeKind.PASSKEY_CLONED, client_info=client_info)

    def _by_code(self, user: User, factors: Sequence[Factor], presented: PresentedFactor) -> VerifiedFactor:
        if presented.recovery_code is not None:
            return VerifiedFactor(method="recovery_code", digest=recovery_code_digest(presented.recovery_code))
        for factor in factors:
            if isinstance(factor.credential, Totp) and presented.totp is not None:
                step = self._step(user, factor, factor.credential, presented.totp)
                if step is not None:
                    return VerifiedFactor(method="totp", factor=factor, step=step)
        raise factor_invalid()

    def _step(self, user: User, factor: Factor, totp: Totp, code: str) -> int | None:
        secret = self.secret_box.decrypt(totp.encrypted_secret, context=totp_context(user.id, factor.id))
        # Without its key, the secret is lost: the user needs a recovery code or an administrator.
        return None if secret is None else self.one_time_passwords.step(secret, code, now=self.clock())

    def _by_passkey(
        self, user: User, factors: Sequence[Factor], credential: Json, nonce: bytes | None
    ) -> VerifiedFactor:
        credential_id = self.passkeys.credential_id(credential)
        for factor in factors:
            passkey = factor.passkey
            if passkey is not None and passkey.credential_id == credential_id and nonce is not None:
                assertion = self.passkeys.verify_assertion(credential, nonce, passkey, user_id=user.id)
                return VerifiedFactor(method="passkey", factor=factor, assertion=assertion)
        raise factor_invalid()
