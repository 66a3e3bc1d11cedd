"""Confirm a change of address by a link to the new mailbox. Sessions continue."""

from dataclasses import dataclass

from application.administration.manage_user import ensure_admin_remains
from application.audit import Audit
from application.mail.mail_queue import MailQueue
from application.ports import Clock, LinkSigner
from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.outbox import LinkPurpose, MailKind
from domain.refusals import link_expired, link_invalidated
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmEmail:
    """Only the newest change of a user can be confirmed. Confirming it again succeeds until the credentials
    change."""

    begin: UnitOfWorkFactory
    links: LinkSigner
    audit: Audit
    mail: MailQueue
    clock: Clock

    async def __call__(self, *, token: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> User:
        """Raises `link_invalid`, `link_expired` or `last_admin`."""
        link = self.links.verify(token.strip(), LinkPurpose.EMAIL)
        now = self.clock()
        if link.expired(now):
            raise link_expired("Request the change again.")
        async with self.begin() as work:
            linked_change = await work.email_changes.by_id(link.subject)
            if linked_change is None:
                raise link_invalidated()
            locked_users = await work.users.lock(linked_change.user_id, email=linked_change.new_email)
            # Read again under the locks: two users who swap addresses may confirm at the same time.
            change = await work.email_changes.newest(linked_change.user_id)
            user = next((one for one in locked_users if one.id == linked_change.user_id), None)
            if user is None or change is None or change.id != linked_change.id:
                raise link_invalidated()
            if change.is_applied(user):
                return user
            if not change.can_be_confirmed(user, now=now):
                raise link_invalidated()
            others = [one for one in locked_users if one.email == change.new_email and one.id != user.id]
            for holder in filter(lambda one: one.verified, others):
                await self._trade(work, user, holder, client_info)
            unverified = [one for one in others if not one.verified]
            changed_user = await work.users.change_email(user.id, change.new_email, over=unverified, now=now)
            if changed_user is None:
                raise link_invalidated()
            await work.email_changes.update(change.confirmed(now, undoable=user.verified))
            if user.verified:
                await self.mail.queue(
                    work,
                    MailKind.EMAIL_CHANGED,
                    user.email,
                    user_id=user.id,
                    change_id=change.id,
                    client_info=client_info,
                )
            await self.audit.record(work, EventType.EMAIL_CHANGED, user.id, client_info=client_info)
        return changed_user

    async def _trade(self, work: UnitOfWork, user: User, holder: User, client_info: ClientInfo) -> None:
        """Swap addresses: move the verified `holder` of the new address to the user's old address, unverified. Raises
        `link_invalid` unless the holder has requested just that.

        The holder's own link stays valid and verifies them again. They can no longer return to the address that the
        user takes.
        """
        now = self.clock()
        holder_change = await work.email_changes.newest(holder.id)
        if holder_change is None or not holder_change.can_be_confirmed(holder, now=now):
            raise link_invalidated()
        if not user.verified or holder_change.new_email != user.email:
            raise link_invalidated()
        await ensure_admin_remains(work, holder)
        evicted_user = await work.users.evict_from_email(holder.id, to=user.email)
        if evicted_user is None:
            raise link_invalidated()
        await work.email_changes.update(holder_change.rebased(evicted_user))
        await work.email_changes.close(holder.id, now=now, back_to=holder.email)
        await work.sessions.revoke_access_tokens(holder.id)
        await self.audit.record(work, EventType.EMAIL_LOST, holder.id, client_info=client_info)
