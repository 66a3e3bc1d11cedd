"""For operators: end all sessions of a user."""

from dataclasses import dataclass

from application.administration.manage_user import ManageUser
from application.administration.operator_lookup import named_user
from application.repositories import UnitOfWorkFactory
from domain.email import normalize_email


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRevokeSessions:
    begin: UnitOfWorkFactory
    manage: ManageUser

    async def __call__(self, *, email: str) -> int:
        """Return the number of ended sessions. Raises `email_invalid` or `not_found`."""
        email = normalize_email(email)
        async with self.begin() as work:
            user = await named_user(work, email)
            return await self.manage.end_sessions(work, user.id)
