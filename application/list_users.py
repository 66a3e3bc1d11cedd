"""Look at the users, a page at a time, or at one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.store import Begin, Place
from domain.event import Event
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUsers:
    begin: Begin

    async def __call__(
        self, *, query: str = "", role: Role | None = None, limit: int = 50, after: Place | None = None
    ) -> tuple[Sequence[User], Place | None]:
        """The page and the place to go on after; None when nothing follows."""
        async with self.begin() as work:
            found = await work.users.page(query=query.strip().lower(), role=role, limit=limit + 1, after=after)
        page = found[:limit]
        last = Place(page[-1].user.id, page[-1].key) if len(found) > limit else None
        return [it.user for it in page], last


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEvents:
    """What happened to a user, newest first; also to one who is gone."""

    begin: Begin

    async def __call__(
        self, user_id: UUID, *, reader: UUID | None = None, limit: int = 50, after: UUID | None = None
    ) -> tuple[Sequence[Event], UUID | None]:
        """The page and the id to go on after; None when nothing follows. Raises `not_found`."""
        async with self.begin() as work:
            found = await work.events.page(user_id, limit=limit + 1, after=after)
            if not found and after is None and await work.users.by_id(user_id) is None:
                raise Refusal(Code.NOT_FOUND, "There is no such user.")
        page = found[:limit]
        return [event.told_to(reader) for event in page], page[-1].id if len(found) > limit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowUser:
    begin: Begin

    async def __call__(self, user_id: UUID) -> User:
        async with self.begin() as work:
            user = await work.users.by_id(user_id)
        if user is None:
            raise Refusal(Code.NOT_FOUND, "There is no such user.")
        return user
