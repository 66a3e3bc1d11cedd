"""Undo a change of address or a deletion by a link to the former mailbox. Overrides every later change."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.administration.manage_user import ensure_admin_remains
from application.audit import Audit
from application.mail.mail_queue import MailQueue
from application.ports import Clock, LinkSigner, NewId
from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.deletion import UNDO
from domain.email_change import EmailChange
from domain.outbox import EmailLink, LinkPurpose, MailKind
from domain.refusals import link_expired, link_invalidated
from domain.session import EndReason
from domain.user import NO_PASSWORD, Provenance, User


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreEmail:
    """Restores the old address, removes the password, ends all sessions and links, and mails a reset link.

    Works once, whether the change was confirmed or not, and also for a deleted account. An undone change is closed
    with all later ones; earlier changes can still be undone. A user who has taken the address since loses it: a thief
    may have registered it, so that the owner of the mailbox follows the link in the mail.
    """

    begin: UnitOfWorkFactory
    links: LinkSigner
    audit: Audit
    mail: MailQueue
    clock: Clock
    new_id: NewId

    async def __call__(self, *, token: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> User:
        """Raises `link_invalid`, `link_expired` or `last_admin`."""
        link = self.links.verify(token.strip(), LinkPurpose.RESTORE)
        now = self.clock()
        if link.expired(now):
            raise link_expired("Contact the operator of this service.")
        async with self.begin() as work:
            user_id, email, lost_at = await self._subject(work, link)
            locked_users = await work.users.lock(user_id, email=email)
            user = next((one for one in locked_users if one.id == user_id), None)
            deleted = user is None
            if user is None:
                user = await work.users.restore(user_id, email=email, now=now)
            if user is None or user.disabled:
                raise link_invalidated()
            change = await work.email_changes.by_id(link.subject)
            # Checked again under the lock.
            if change is None:
                usable = deleted and user.credential_version == link.version
            else:
                usable = change.closed_at is None
            if not usable:
                raise link_invalidated()
            if user.email != email or not user.verified:
                others = [one for one in locked_users if one.email == email and one.id != user.id]
                for holder in filter(lambda one: one.verified, others):
                    await self._evict(work, holder, lost_at, client_info)
                others = [one for one in others if not one.verified]
                user = await work.users.change_email(user.id, email, over=others, now=now)
            if user is not None:
                user = await work.users.replace_password(
                    user.id, NO_PASSWORD, credential_version=user.credential_version, recovered=True
                )
            if user is None:
                raise link_invalidated()
            if change is not None:
                await work.email_changes.close(user.id, now=now, since=change.credential_version)
            await work.sessions.end_all(user.id, now=now, reason=EndReason.EMAIL_RESTORED)
            await self.mail.queue(work, MailKind.EMAIL_RESTORED, user.email, user_id=user.id, client_info=client_info)
            detail = "the account had been deleted" if deleted else ""
            await self.audit.record(work, EventType.EMAIL_RESTORED, user.id, client_info=client_info, detail=detail)
        return user

    async def _subject(self, work: UnitOfWork, link: EmailLink) -> tuple[UUID, str, datetime]:
        """Return the id of the link's user, the address that the link was mailed to, and when the user lost it.
        Raises `link_invalid`."""
        change = await work.email_changes.by_id(link.subject)
        if change is not None:
            return change.user_id, change.old_email, change.confirmed_at or change.asked_at
        deletion = await work.users.deletion(link.subject)
        if deletion is None or deletion.email is None or deletion.version != link.version:
            raise link_invalidated()
        return deletion.user_id, deletion.email, deletion.deleted_at

    async def _evict(self, work: UnitOfWork, holder: User, lost_at: datetime, client_info: ClientInfo) -> None:
        """Move the holder back to the address that they came from, unverified, or delete them if they registered this
        one. The deletion mails no undo link. Raises `link_invalid` if an operator gave the holder the address, or if
        they had it before it was lost."""
        await ensure_admin_remains(work, holder)
        now = self.clock()
        changes = await work.email_changes.by_user(holder.id)
        arrival = next((one for one in changes if one.confirmed_at and one.new_email == holder.email), None)
        since = holder.created_at if arrival is None else arrival.confirmed_at
        if since is not None and since < lost_at:
            raise link_invalidated()
        if arrival is not None:
            evicted = await work.users.evict_from_email(holder.id, to=arrival.old_email)
            if evicted is None:
                raise link_invalidated()
            await work.email_changes.add(
                EmailChange(
                    id=self.new_id(),
                    user_id=holder.id,
                    old_email=holder.email,
                    new_email=evicted.email,
                    credential_version=evicted.credential_version,
                    asked_at=now,
                )
            )
            await work.sessions.revoke_access_tokens(holder.id)
            await self.audit.record(work, EventType.EMAIL_LOST, holder.id, client_info=client_info)
        elif holder.provenance is Provenance.SELF:
            await work.sessions.end_all(holder.id, now=now, reason=EndReason.SUPERSEDED)
            await work.users.remove(holder.id, now=now, until=now + UNDO)
            await self.audit.record(work, EventType.DELETED, holder.id)
        else:
            raise link_invalidated()
