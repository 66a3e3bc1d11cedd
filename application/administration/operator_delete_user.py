"""For operators: delete a user."""

from dataclasses import dataclass

from application.administration.manage_user import ManageUser
from application.administration.operator_lookup import locked_unambiguous_user
from application.audit import Audit
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorDeleteUser:
    begin: UnitOfWorkFactory
    manage: ManageUser
    audit: Audit

    async def __call__(self, *, who: str) -> User:
        """Return the user as before the deletion. Raises `email_invalid`, `username_invalid`, `not_found`,
        `not_verified` or `last_admin`."""
        async with self.begin() as work:
            user = await locked_unambiguous_user(work, who)
            await self.manage.delete(work, user)
            await self.audit.record(work, EventType.DELETED, user.id)
        return user
