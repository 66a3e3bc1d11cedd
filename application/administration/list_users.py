"""List users, in pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.repositories import PageCursor, UnitOfWorkFactory
from domain.role import Role
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUsers:
    begin: UnitOfWorkFactory

    async def __call__(
        self, *, query: str = "", role: Role | None = None, limit: int = 50, after: PageCursor | None = None
    ) -> tuple[Sequence[User], PageCursor | None]:
        """Return a page and the place after which the next page starts, or None at the end."""
        async with self.begin() as work:
            found = await work.users.page(query=query.strip().lower(), role=role, limit=limit + 1, after=after)
        page = found[:limit]
        last = PageCursor(page[-1].user.id, page[-1].key) if len(found) > limit else None
        return [it.user for it in page], last
