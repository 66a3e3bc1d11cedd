"""Show one user."""

from dataclasses import dataclass
from uuid import UUID

from application.repositories import UnitOfWorkFactory
from domain.refusals import user_not_found
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowUser:
    begin: UnitOfWorkFactory

    async def __call__(self, user_id: UUID) -> User:
        """Raises `not_found`."""
        async with self.begin() as work:
            user = await work.users.by_id(user_id)
        if user is None:
            raise user_not_found()
        return user
