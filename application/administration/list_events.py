"""List the audit events of a user, in pages."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.audit import AuditEvent
from domain.refusals import user_not_found
from domain.role import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEvents:
    """Newest first. Also lists the events of a deleted user."""

    begin: UnitOfWorkFactory

    async def __call__(
        self, user_id: UUID, *, reader: UUID | None = None, limit: int = 50, after: UUID | None = None
    ) -> tuple[Sequence[AuditEvent], UUID | None]:
        """Return a page and the id after which the next page starts, or None at the end. Raises `not_found`.

        `reader` is the user who reads, or None for an operator.
        """
        async with self.begin() as work:
            found = await work.events.page(user_id, limit=limit + 1, after=after)
            gone = user_id != reader and await work.users.by_id(user_id) is None
            if not found and after is None and gone:
                raise user_not_found()
            # IP addresses and devices of a deleted user are removed in batches. Until then they are hidden.
            page = [event.of_deleted_user() if gone else event for event in found[:limit]]
            shown = page if reader is None else [event async for event in _redacted(work, page, user_id, reader)]
        return shown, page[-1].id if len(found) > limit else None


async def _redacted(
    work: UnitOfWork, page: Sequence[AuditEvent], user_id: UUID, reader: UUID
) -> AsyncIterator[AuditEvent]:
    """The events without the IP addresses and devices that the reader may not see.

    A reader sees those of actors whose role is not higher. A deleted actor may have had any role, so theirs are
    shown to admins only.
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
            role = Role.ADMIN if actor is None else actor.effective_role
            shown[who] = me is not None and me.effective_role.includes(role)
        yield event if shown[who] else event.without_client_info()
