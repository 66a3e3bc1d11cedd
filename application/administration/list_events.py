"""List what happened to a user, a page at a time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.repositories import Begin, UnitOfWork
from domain.event import Event
from domain.refusals import user_not_found
from domain.role import Role


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
            gone = user_id != reader and await work.users.by_id(user_id) is None
            if not found and after is None and gone:
                raise user_not_found()
            # Of a user who is gone the places are removed, a little at a time; until then they are not shown.
            page = [event.of_deleted_user() if gone else event for event in found[:limit]]
            shown = page if reader is None else [event async for event in _redacted(work, page, user_id, reader)]
        return shown, page[-1].id if len(found) > limit else None


async def _redacted(work: UnitOfWork, page: Sequence[Event], user_id: UUID, reader: UUID) -> AsyncIterator[Event]:
    """The events without the IP addresses and devices of those whose place is not the reader's to know.

    Of others a reader sees those who hold no higher role; a deleted user may have held any role.
    """
    if reader == user_id:
        for event in page:
            yield event.for_owner()
        return
    me = await work.users.by_id(reader)
    shown = {reader: True}
    for event in page:
        who = event.actor_id or user_id
        if who not in shown:
            actor = await work.users.by_id(who)
            role = Role.ADMIN if actor is None else actor.held_role
            shown[who] = me is not None and me.held_role.includes(role)
        yield event if shown[who] else event.without_client_info()
