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
        """Return a page and the cursor of the next page, or None at the end."""
        async with self.begin() as work:
            hits = await work.users.page(query=query.strip().lower(), role=role, limit=limit + 1, after=after)
        page = hits[:limit]
        cursor = PageCursor(page[-1].user.id, page[-1].key) if len(hits) > limit else None
        return [hit.user for hit in page], cursor
