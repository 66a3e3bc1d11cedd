"""For operators: disable or enable a user."""

from dataclasses import dataclass

from application.administration.manage_user import ManageUser
from application.administration.operator_lookup import locked_unambiguous_user
from application.repositories import UnitOfWorkFactory
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUserDisabled:
    begin: UnitOfWorkFactory
    manage: ManageUser

    async def __call__(self, *, who: str, disabled: bool) -> User:
        """Return the changed user. The change is in force at their next request. Raises `email_invalid`,
        `username_invalid`, `not_found`, `not_verified` or `last_admin`."""
        async with self.begin() as work:
            user = await locked_unambiguous_user(work, who)
            await work.sessions.await_revocations(user.id)
            return user if user.disabled is disabled else await self.manage.set_disabled(work, user, disabled)
