"""Acts upon the installation, such as its clients or its mail, by an admin or an operator."""

from dataclasses import dataclass

from application.audit import Audit
from application.factors.enrolment import check_open
from application.factors.require_fresh import LockCaller
from application.repositories import UnitOfWork
from domain.audit import EventType
from domain.client_info import ClientInfo
from domain.messages import translatable
from domain.refusals import role_required
from domain.role import Role
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeAdmin:
    lock_caller: LockCaller
    audit: Audit

    async def __call__(self, work: UnitOfWork, caller: AccessToken | None) -> User | None:
        """Return the locked admin; None for an operator, who calls without a token. Raises `role_required`,
        `token_revoked`, `account_disabled`, `step_up_required` or `unavailable`."""
        if caller is None:
            return None
        await check_open(work, translatable("This change"))
        actor, _ = await self.lock_caller(work, caller)
        if not actor.is_active_admin:
            raise role_required(Role.ADMIN)
        return actor

    async def record(
        self, work: UnitOfWork, actor: User | None, kind: EventType, *, detail: str, client_info: ClientInfo
    ) -> None:
        """Record what an admin did, in the admin's own audit log. An operator has none."""
        if actor is not None:
            await self.audit.record(work, kind, actor.id, by=actor.id, client_info=client_info, detail=detail)
