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
            events = await work.events.page(user_id, limit=limit + 1, after=after)
            deleted = user_id != reader and await work.users.by_id(user_id) is None
            if not events and after is None and deleted:
                raise user_not_found()
            # IP addresses and devices of a deleted user are removed in batches. Until then they are hidden.
            page = [event.of_deleted_user() if deleted else event for event in events[:limit]]
            shown = page if reader is None else [event async for event in _redacted(work, page, user_id, reader)]
        return shown, page[-1].id if len(events) > limit else None


async def _redacted(
    work: UnitOfWork, page: Sequence[AuditEvent], user_id: UUID, reader: UUID
) -> AsyncIterator[AuditEvent]:
    """The events without the IP addresses and devices that the reader may not see.

    A reader sees those of actors whose role is not higher. A deleted actor may have had any role, so only admins see
    theirs.
    """
    if reader == user_id:
        for event in page:
            yield event.for_owner()
        return
    reading_user = await work.users.by_id(reader)
    visible = {reader: True}
    for event in page:
        actor_id = event.actor_id or user_id
        if actor_id not in visible:
            actor = await work.users.by_id(actor_id)
            role = Role.ADMIN if actor is None else actor.effective_role
            visible[actor_id] = reading_user is not None and reading_user.effective_role.includes(role)
        yield event if visible[actor_id] else event.without_client_info()
