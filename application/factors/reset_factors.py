"""Remove all factors of a user who has lost them: by an admin or an operator. The owner can undo it."""

from dataclasses import dataclass
from uuid import UUID

from application.administration.authorize_actor import authorize_actor
from application.administration.operator_lookup import locked_unambiguous_user
from application.audit import Audit
from application.factors.enrolment import check_open
from application.factors.require_fresh import LockCaller
from application.factors.undo_points import UndoPoints
from application.ports import Clock
from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import ChangeKind
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.session import EndReason
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAllFactors:
    """Removes all factors of a locked user, for admins and operators."""

    audit: Audit
    undo_points: UndoPoints
    clock: Clock

    async def __call__(
        self,
        work: UnitOfWork,
        user: User,
        *,
        by: UUID | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> int:
        """End all sessions, notify the owner, and return the number of removed factors. Raises `unavailable`."""
        now = self.clock()
        await check_open(work)
        factors = await work.factors.by_user(user.id)
        await work.factors.remove(user.id, [factor.id for factor in factors], now=now)
        await work.sessions.end_all(user.id, now=now, reason=EndReason.FACTOR_REMOVED)
        # The mail shows no device: that of the admin is none of the user's business.
        await self.undo_points.add(work, user, ChangeKind.FACTORS_RESET)
        await self.audit.record(work, EventType.FACTORS_RESET, user.id, by=by, client_info=client_info)
        return len(factors)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetFactors:
    """For admins, who can reset users with a lower role. Not themselves: they may have to keep a factor."""

    begin: UnitOfWorkFactory
    lock_caller: LockCaller
    remove_all_factors: RemoveAllFactors

    async def __call__(self, caller: AccessToken, user_id: UUID, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> None:
        """Raises `role_required`, `not_found`, `forbidden`, `token_revoked`, `step_up_required` or `unavailable`."""
        async with self.begin() as work:
            await work.users.lock(user_id, with_admins=True)
            actor, user = await authorize_actor(work, caller, user_id, role=Role.ADMIN)
            if actor.id == user.id:
                raise Refusal(ErrorCode.FORBIDDEN, "Remove your own factors one by one, at /v1/factors.")
            await self.lock_caller.check(work, caller, actor)
            await self.remove_all_factors(work, user, by=actor.id, client_info=client_info)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorResetFactors:
    begin: UnitOfWorkFactory
    remove_all_factors: RemoveAllFactors

    async def __call__(self, *, who: str) -> int:
        """Return the number of removed factors; for 0 nothing is changed. Raises `email_invalid`,
        `username_invalid`, `not_found` or `not_verified`."""
        async with self.begin() as work:
            user = await locked_unambiguous_user(work, who)
            await work.sessions.await_revocations(user.id)
            if not user.factors:
                return 0
            return await self.remove_all_factors(work, user)
