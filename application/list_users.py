"""Look at the users, a page at a time, or at one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports import Begin
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUsers:
    begin: Begin

    async def __call__(
        self, *, query: str = "", role: Role | None = None, limit: int = 50, after: UUID | None = None
    ) -> tuple[Sequence[User], UUID | None]:
        """The page and the id to go on after; None when nothing follows."""
        async with self.begin() as work:
            found = await work.users.page(query=query.strip().lower(), role=role, limit=limit + 1, after=after)
        page = found[:limit]
        return page, page[-1].id if len(found) > limit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowUser:
    begin: Begin

    async def __call__(self, user_id: UUID) -> User:
        async with self.begin() as work:
            user = await work.users.by_id(user_id)
        if user is None:
            raise Refusal(Code.NOT_FOUND, "There is no such user.")
        return user
