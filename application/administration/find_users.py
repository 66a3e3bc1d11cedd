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
        """Return up to `limit` users, and whether there are more. The query is a user id, the beginning of an address
        or username, or empty for all users."""
        async with self.begin() as work:
            user_id = user_id_in(query)
            if user_id is not None:
                user = await work.users.by_id(user_id)
                return [] if user is None or role not in {None, user.role} else [user], False
            hits = await work.users.page(query=query.lower(), role=role, limit=limit + 1, after=None)
        return [hit.user for hit in hits[:limit]], len(hits) > limit
