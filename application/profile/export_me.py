"""All data stored about the caller, streamed page by page: memory stays flat for large accounts and slow clients."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import UUID

from application.audit import Audit
from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.audit import AuditEvent, EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email_change import EmailChange
from domain.factor import Factor, RecoveryCodeCount, UndoPoint
from domain.invitation import Invitation
from domain.outbox import OutboxMail
from domain.refusals import token_revoked
from domain.session import Session
from domain.tokens import AccessToken
from domain.user import User

Kept = TypeVar("Kept", AuditEvent, OutboxMail, Session)

PAGE = 200


@dataclass(frozen=True, slots=True)
class Export:
    """Each list is sorted from newest to oldest. A page is read when it is needed, in its own transaction."""

    user: User
    changes: Sequence[EmailChange]
    factors: Sequence[Factor]
    """Also removed ones."""
    recovery_codes: RecoveryCodeCount | None
    undo_points: Sequence[UndoPoint]
    invitations: Sequence[Invitation]
    """To the user. Those that the user sent are events, without the addresses of others."""
    sessions: AsyncIterator[Sequence[Session]]
    events: AsyncIterator[Sequence[AuditEvent]]
    mails: AsyncIterator[Sequence[OutboxMail]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportMe:
    begin: UnitOfWorkFactory
    audit: Audit

    async def __call__(self, caller: AccessToken, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> Export:
        """Raises `token_revoked`."""
        async with self.begin() as work:
            user = await work.users.by_id(caller.user_id)
            if user is None:
                raise token_revoked()
            await self.audit.record(work, EventType.EXPORTED, user.id, by=user.id, client_info=client_info)
            changes = await work.email_changes.by_user(user.id)
            factors = await work.factors.by_user(user.id, removed=True)
            recovery_codes = await work.factors.recovery_codes(user.id)
            invitations = await work.invitations.by_user(user)
            undo_points = await work.factors.undo_points(user.id)
        return Export(
            user=user,
            changes=changes,
            factors=factors[::-1],
            recovery_codes=recovery_codes,
            undo_points=undo_points,
            invitations=invitations,
            sessions=self._pages(lambda work, after: work.sessions.page(user.id, limit=PAGE, after=after)),
            events=self._pages(partial(_events, user.id)),
            mails=self._pages(lambda work, after: work.outbox.page(user, limit=PAGE, after=after)),
        )

    async def _pages(
        self, read: Callable[[UnitOfWork, UUID | None], Awaitable[Sequence[Kept]]]
    ) -> AsyncIterator[Sequence[Kept]]:
        after: UUID | None = None
        while True:
            async with self.begin() as work:
                page = await read(work, after)
            if page:
                yield page
            if len(page) < PAGE:
                return
            after = page[-1].id


async def _events(user_id: UUID, work: UnitOfWork, after: UUID | None) -> Sequence[AuditEvent]:
    return [event.for_owner() for event in await work.events.page(user_id, limit=PAGE, after=after)]
