"""Rename or remove a factor, and replace the recovery codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.audit import Audit
from application.factors.enrolment import Enrolment, factor_name
from application.factors.require_fresh import LockCaller
from application.factors.undo_points import UndoPoints
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import ChangeKind, Factor, FactorKind
from domain.refusals import ErrorCode, Refusal, factor_not_found
from domain.role import Role
from domain.session import EndReason
from domain.tokens import AccessToken

_REMOVED = {FactorKind.PASSKEY: ChangeKind.PASSKEY_REMOVED, FactorKind.TOTP: ChangeKind.TOTP_REMOVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameFactor:
    begin: UnitOfWorkFactory

    async def __call__(self, caller: AccessToken, factor_id: UUID, *, name: str) -> Factor:
        """Raises `not_found`, also for another user's factor, or `malformed`."""
        called = factor_name(name, default="")
        if not called:
            raise Refusal(ErrorCode.MALFORMED, "must not be empty", field="name")
        async with self.begin() as work:
            factor = await work.factors.rename(caller.user_id, factor_id, called)
        if factor is None:
            raise factor_not_found()
        return factor


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFactor:
    """All other sessions of the caller end, because they may have been opened with that factor."""

    begin: UnitOfWorkFactory
    lock_caller: LockCaller
    audit: Audit
    undo_points: UndoPoints
    clock: Clock
    factor_required_from: Role | None = None
    """As in `Authenticate`. These users add another factor before they remove the last one."""

    async def __call__(
        self, caller: AccessToken, factor_id: UUID, *, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> None:
        """Raises `not_found`, also for another user's factor, `step_up_required`, `factor_required`,
        `account_disabled` or `token_revoked`."""
        now = self.clock()
        async with self.begin() as work:
            user, _ = await self.lock_caller(work, caller)
            factors = await work.factors.by_user(user.id)
            factor = next((one for one in factors if one.id == factor_id), None)
            if factor is None:
                raise factor_not_found()
            if len(factors) == 1 and user.must_have_factor(self.factor_required_from):
                raise Refusal(
                    ErrorCode.FACTOR_REQUIRED,
                    "Your role requires a second factor. Add another one before you remove this one.",
                )
            await work.factors.remove(user.id, [factor.id], now=now)
            await work.sessions.end_all(user.id, now=now, reason=EndReason.FACTOR_REMOVED, keeping=caller.session_id)
            await self.undo_points.add(work, user, _REMOVED[factor.kind], client_info=client_info)
            await self.audit.record(
                work, EventType.FACTOR_REMOVED, user.id, by=user.id, client_info=client_info, detail=factor.kind
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceRecoveryCodes:
    begin: UnitOfWorkFactory
    lock_caller: LockCaller
    enrolment: Enrolment
    audit: Audit
    undo_points: UndoPoints

    async def __call__(self, caller: AccessToken, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> Sequence[str]:
        """Return the new codes; earlier ones stop working. Raises `not_found` for a caller without a factor,
        `step_up_required`, `account_disabled`, `token_revoked` or `rate_limited`."""
        async with self.begin() as work:
            user, _ = await self.lock_caller(work, caller)
            if not user.factors:
                raise Refusal(ErrorCode.NOT_FOUND, "Recovery codes require a second factor. Add one first.")
            async with self.enrolment.counted(user):
                codes = await self.enrolment.new_recovery_codes(work, user.id, version=user.factor_version + 1)
            await self.undo_points.add(work, user, ChangeKind.RECOVERY_CODES_REPLACED, client_info=client_info)
            await self.audit.record(
                work, EventType.RECOVERY_CODES_REPLACED, user.id, by=user.id, client_info=client_info
            )
        return codes
