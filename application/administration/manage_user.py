"""Changes that admins and operators make to a user."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from application.audit import Audit
from application.mail.mail_queue import MailQueue
from application.ports import Clock
from application.repositories import UnitOfWork
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.outbox import MailKind
from domain.refusals import ErrorCode, Refusal, user_not_found
from domain.role import Role
from domain.session import EndReason
from domain.user import User


async def ensure_admin_remains(work: UnitOfWork, user: User) -> None:
    """Raises `last_admin`. Lock all admins first; otherwise two of them could remove each other at once."""
    if user.is_active_admin and list(await work.users.active_admin_ids()) == [user.id]:
        raise Refusal(
            ErrorCode.LAST_ADMIN, "At least one active admin is required. Make another user an admin first."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ManageUser:
    """Lock the user and all admins first. `by` and `client_info` are the actor's; an operator has neither.
    Raises `last_admin`, or `not_found` if the user is gone."""

    audit: Audit
    mail: MailQueue
    clock: Clock

    async def set_role(
        self,
        work: UnitOfWork,
        user: User,
        role: Role,
        *,
        by: UUID | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> User:
        """Set the role, effective at the user's next request."""
        await ensure_admin_remains(work, user)
        changed = await work.users.set_role(user.id, role)
        await work.sessions.revoke_access_tokens(user.id)
        detail = f"from {user.role} to {role}"
        await self.audit.record(work, EventType.ROLE_CHANGED, user.id, by=by, client_info=client_info, detail=detail)
        return _present(changed)

    async def set_disabled(
        self,
        work: UnitOfWork,
        user: User,
        disabled: bool,
        *,
        by: UUID | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
    ) -> User:
        """Disable or enable the user. Disabling ends all their sessions."""
        now = self.clock()
        if disabled:
            await ensure_admin_remains(work, user)
        changed = await work.users.set_disabled(user.id, disabled, now=now)
        if disabled:
            await work.sessions.end_all(user.id, now=now, reason=EndReason.DISABLED)
        action = EventType.DISABLED if disabled else EventType.ENABLED
        await self.audit.record(work, action, user.id, by=by, client_info=client_info)
        return _present(changed)

    async def end_sessions(
        self, work: UnitOfWork, user_id: UUID, *, by: UUID | None = None, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> int:
        """End all sessions and return their number. Needs no locks."""
        ended = await work.sessions.end_all(user_id, now=self.clock(), reason=EndReason.LOGOUT_ALL)
        await self.audit.record(work, EventType.LOGGED_OUT_EVERYWHERE, user_id, by=by, client_info=client_info)
        return ended

    async def delete(
        self,
        work: UnitOfWork,
        user: User,
        *,
        until: datetime | None = None,
        shown_client: ClientInfo = UNKNOWN_CLIENT,
    ) -> None:
        """Delete a user, end their sessions and notify a verified mailbox. The deletion can be undone before `until`.
        The mail shows `shown_client`; pass it only if users delete themselves. Does not record an event.
        """
        await ensure_admin_remains(work, user)
        if user.verified:  # before the deletion, because mails that are older than it are purged with the user
            kind = MailKind.ACCOUNT_DELETED if until is None else MailKind.ACCOUNT_CLOSED
            mail_user_id = None if until is None else user.id
            shown = replace(shown_client, language=user.locale or shown_client.language)
            await self.mail.queue(work, kind, user.email, user_id=mail_user_id, client_info=shown)
        now = self.clock()
        await work.sessions.end_all(user.id, now=now, reason=EndReason.DELETED)
        await work.users.remove(user.id, now=now, until=until)


def _present(user: User | None) -> User:
    if user is None:
        raise user_not_found()
    return user
