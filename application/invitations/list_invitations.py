"""List invitations, in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.repositories import UnitOfWorkFactory
from domain.invitation import Invitation


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInvitations:
    begin: UnitOfWorkFactory

    async def __call__(
        self, *, limit: int = 50, after: UUID | None = None
    ) -> tuple[Sequence[Invitation], UUID | None]:
        """Return a page, newest first, and the id after which the next page starts, or None at the end."""
        async with self.begin() as work:
            found = await work.invitations.page(limit=limit + 1, after=after)
        page = found[:limit]
        return page, page[-1].id if len(found) > limit else None
