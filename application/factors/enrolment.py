"""Steps shared by the enrolment of passkeys and TOTP."""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from application.audit import Audit
from application.factors.challenges import use_challenge
from application.factors.ports import NewBytes
from application.factors.require_fresh import LockCaller
from application.factors.undo_points import UndoPoints
from application.ports import Clock, NewId, RateLimiter
from application.repositories import UnitOfWork
from domain.audit import EventType
from domain.challenge import Challenge
from domain.client_info import ClientInfo
from domain.factor import (
    LONGEST_FACTOR_NAME,
    MOST_PASSKEYS,
    RECOVERY_CODE_LENGTH,
    RECOVERY_CODES,
    ChangeKind,
    Factor,
    FactorKind,
    RecoveryCode,
    recovery_code_digest,
)
from domain.messages import translatable
from domain.rate_limit_buckets import user_bucket
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal, challenge_invalid, unavailable
from domain.session import EndReason
from domain.tokens import AccessToken
from domain.user import User

_ADDED = {FactorKind.PASSKEY: ChangeKind.PASSKEY_ADDED, FactorKind.TOTP: ChangeKind.TOTP_ADDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledFactor:
    """`recovery_codes` are shown once; None unless this is the user's first factor."""

    factor: Factor
    recovery_codes: Sequence[str] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    lock_caller: LockCaller
    rate_limiter: RateLimiter
    audit: Audit
    undo_points: UndoPoints
    clock: Clock
    new_id: NewId
    new_bytes: NewBytes

    async def locked(self, work: UnitOfWork, caller: AccessToken, challenge: Challenge) -> User:
        """Lock the caller and use up the challenge. Raises `token_revoked`, `account_disabled`, `step_up_required`,
        `not_verified`, `unavailable`, or `challenge_invalid` if the challenge was used before, or is older than a
        change of the credentials."""
        await check_open(work)
        user, _ = await self.lock_caller(work, caller)
        if not user.verified:
            raise Refusal(ErrorCode.NOT_VERIFIED, "Verify your e-mail address first.")
        if user.credential_version != challenge.version:
            raise challenge_invalid()
        await use_challenge(work, challenge)
        return user

    async def add(
        self,
        work: UnitOfWork,
        user: User,
        factor: Factor,
        *,
        caller: AccessToken,
        client_info: ClientInfo,
    ) -> EnrolledFactor:
        """Add a factor to the locked user. A second TOTP replaces the first, which ends all other sessions, because
        they may have been opened with it. Raises `factor_exists`, `factor_limit` or `rate_limited`."""
        factors = await work.factors.by_user(user.id)
        passkeys = sum(one.kind is FactorKind.PASSKEY for one in factors)
        if factor.kind is FactorKind.PASSKEY and passkeys >= MOST_PASSKEYS:
            raise Refusal(
                ErrorCode.FACTOR_LIMIT,
                "An account can have at most %(count)s passkeys. Remove one first.",
                values={"count": MOST_PASSKEYS},
            )
        replaced = [one.id for one in factors if one.kind is factor.kind is FactorKind.TOTP]
        async with self.counted(user):
            if not await work.factors.add(factor, replacing=replaced):
                raise Refusal(ErrorCode.FACTOR_EXISTS, "This passkey is already registered.")
        if replaced:
            await work.sessions.end_all(
                user.id, now=self.clock(), reason=EndReason.FACTOR_REMOVED, keeping=caller.session_id
            )
            await self.audit.record(
                work, EventType.FACTOR_REMOVED, user.id, by=user.id, client_info=client_info, detail=factor.kind
            )
        codes = None if factors else await self.new_recovery_codes(work, user.id, version=factor.added_in + 1)
        await self.undo_points.add(work, user, _ADDED[factor.kind], client_info=client_info)
        await self.audit.record(
            work, EventType.FACTOR_ADDED, user.id, by=user.id, client_info=client_info, detail=factor.kind
        )
        return EnrolledFactor(factor=factor, recovery_codes=codes)

    @asynccontextmanager
    async def counted(self, user: User) -> AsyncIterator[None]:
        """Count a change that is mailed to the user, unless it is refused. Raises `rate_limited`. A removal needs no
        limit: there is one for each addition, and it must not be refused because a thief has added too much."""
        reservation = await self.rate_limiter.acquire(user_bucket(Limit.FACTOR_ADD, user.id))
        try:
            yield
        except Refusal:
            await self.rate_limiter.cancel(reservation)
            raise

    async def new_recovery_codes(self, work: UnitOfWork, user_id: UUID, *, version: int) -> Sequence[str]:
        """Replace the user's recovery codes and return the new ones. `version` is the user's next factor version."""
        now = self.clock()
        texts = [_recovery_code(self.new_bytes(RECOVERY_CODE_LENGTH * 5 // 8)) for _ in range(RECOVERY_CODES)]
        codes = [
            RecoveryCode(
                id=self.new_id(),
                user_id=user_id,
                digest=recovery_code_digest(text),
                created_at=now,
                added_in=version,
            )
            for text in texts
        ]
        await work.factors.replace_recovery_codes(user_id, codes, now=now)
        return texts


async def check_open(work: UnitOfWork, what: str = translatable("A second factor")) -> None:
    """Raises `unavailable` during an upgrade from a release without factors. Its processes would accept a password
    alone, and cannot read the events that it does not know: of factors, invitations and acts upon the installation.
    """
    if not await work.factors.enrolment_open():
        raise unavailable(what)


def factor_name(name: str | None, *, default: str) -> str:
    """The name that the user gave a factor. Raises `malformed` for one that is too long or has control characters."""
    given = (name or "").strip()
    if len(given) > LONGEST_FACTOR_NAME or not given.isprintable():
        raise Refusal(
            ErrorCode.MALFORMED,
            "must be at most %(count)s printable characters",
            field="name",
            values={"count": LONGEST_FACTOR_NAME},
        )
    return given or default


def _recovery_code(random: bytes) -> str:
    """For example ABCDEFGHIJKLMNOPQRSTUVWX."""
    return base64.b32encode(random).decode()
