"""For operators: find users."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.administration.operator_lookup import user_id_in
from application.repositories import UnitOfWorkFactory
from domain.role import Role
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class FindUsers:
    begin: UnitOfWorkFactory

    async def __call__(self, *, query: str, role: Role | None = None, limit: int = 50) -> tuple[Sequence[User], bool]:
        """Return the user with that id, or the users whose address or username begins with the query, or all users if
        it is empty; and whether there are more than `limit`."""
        async with self.begin() as work:
            user_id = user_id_in(query)
            if user_id is not None:
                user = await work.users.by_id(user_id)
                return [] if user is None or role not in {None, user.role} else [user], False
            found = await work.users.page(query=query.lower(), role=role, limit=limit + 1, after=None)
        return [it.user for it in found[:limit]], len(found) > limit
