"""Check that an admin may act upon the installation, such as its clients or its mail."""

from dataclasses import dataclass

from application.factors.require_fresh import LockCaller
from application.repositories import UnitOfWork
from domain.refusals import role_required
from domain.role import Role
from domain.tokens import AccessToken
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeAdmin:
    lock_caller: LockCaller

    async def __call__(self, work: UnitOfWork, caller: AccessToken) -> User:
        """Return the locked admin. Raises `role_required`, `token_revoked`, `account_disabled` or
        `step_up_required`."""
        actor, _ = await self.lock_caller(work, caller)
        if not actor.is_active_admin:
            raise role_required(Role.ADMIN)
        return actor
