"""Undo a change of address, a deletion, or a change of factors or password, by a mailed link. Overrides every later
change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from domain.email_change import EmailChange, overridden
from domain.factor import UndoPoint
from domain.outbox import EmailLink, LinkPurpose, MailKind
from domain.refusals import link_expired, link_invalidated
from domain.session import EndReason
from domain.user import NO_PASSWORD, Provenance, User


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """The state to which a link returns: `email`, and the factors of `factor_version` unless that is None. The user
    lost the address at `lost_at`, by `change` or by a deletion; None if they still have it."""

    user_id: UUID
    email: str
    lost_at: datetime | None
    factor_version: int | None
    change: EmailChange | None = None
    point: UndoPoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreEmail:
    """Restores the old address and the factors of that time, removes the password, ends all sessions and links, and
    mails a reset link.

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
            first = await self._target(work, link)
            locked_users = await work.users.lock(first.user_id, email=first.email)
            # Read again under the lock.
            target = await self._target(work, link)
            user = next((one for one in locked_users if one.id == target.user_id), None)
            deleted = user is None
            if user is None:
                user = await work.users.restore(target.user_id, email=target.email, now=now)
            if user is None or user.disabled or not _is_usable(target, link, user, deleted=deleted):
                raise link_invalidated()
            user = await self._with_email(work, user, target, locked_users, client_info, now=now)
            if target.factor_version is not None:
                user = await self._with_factors(work, user, target.factor_version, client_info, now=now)
            restored = await work.users.replace_password(
                user.id, NO_PASSWORD, credential_version=user.credential_version, recovered=True
            )
            if restored is None:
                raise link_invalidated()
            if target.change is not None:
                await work.email_changes.close(user.id, now=now, since=target.change.credential_version)
            after = None if target.point is None else target.point.changed_at
            for change in overridden(await work.email_changes.by_user(user.id), target.email, after=after, now=now):
                await work.email_changes.update(replace(change, closed_at=now))
            if target.point is not None:
                await work.factors.close_undo_point(target.point.id, now=now)
            await work.sessions.end_all(user.id, now=now, reason=EndReason.EMAIL_RESTORED)
            await self.mail.queue(
                work, MailKind.EMAIL_RESTORED, restored.email, user_id=user.id, client_info=client_info
            )
            detail = "the account had been deleted" if deleted else ""
            await self.audit.record(work, EventType.EMAIL_RESTORED, user.id, client_info=client_info, detail=detail)
        return restored

    async def _target(self, work: UnitOfWork, link: EmailLink) -> _Target:
        """Raises `link_invalid`."""
        change = await work.email_changes.by_id(link.subject)
        if change is not None:
            return _Target(
                user_id=change.user_id,
                email=change.old_email,
                lost_at=change.confirmed_at or change.asked_at,
                factor_version=change.factor_version,
                change=change,
            )
        point = await work.factors.undo_point(link.subject)
        if point is not None:
            return await self._of_point(work, point)
        deletion = await work.users.deletion(link.subject)
        if deletion is None or deletion.email is None or deletion.version != link.version:
            raise link_invalidated()
        return _Target(
            user_id=deletion.user_id, email=deletion.email, lost_at=deletion.deleted_at, factor_version=None
        )

    async def _of_point(self, work: UnitOfWork, point: UndoPoint) -> _Target:
        """If the user has left the address since, only a change that can still be undone leads back. Raises
        `link_invalid`."""
        user = await work.users.by_id(point.user_id)
        deletion = None if user is not None else await work.users.deletion(point.user_id)
        holder = user or deletion
        current = None if holder is None else holder.email
        lost_at = None if deletion is None else deletion.deleted_at
        change, version = None, point.factor_version
        if current != point.email:
            changes = await work.email_changes.by_user(point.user_id)
            away = [
                one
                for one in changes
                if one.old_email == point.email and one.undoable_until(self.clock()) is not None
            ]
            if not away:
                raise link_invalidated()
            change = away[-1]  # the earliest: it is closed with all later ones
            lost_at = change.confirmed_at
            if change.factor_version is not None:
                version = min(version, change.factor_version)
        return _Target(
            user_id=point.user_id,
            email=point.email,
            lost_at=lost_at,
            factor_version=version,
            change=change,
            point=point,
        )

    async def _with_email(
        self,
        work: UnitOfWork,
        user: User,
        target: _Target,
        locked_users: Sequence[User],
        client_info: ClientInfo,
        *,
        now: datetime,
    ) -> User:
        if user.email == target.email and user.verified:
            return user
        others = [one for one in locked_users if one.email == target.email and one.id != user.id]
        for holder in filter(lambda one: one.verified, others):
            await self._evict(work, holder, target.lost_at or now, client_info)
        unverified = [one for one in others if not one.verified]
        changed = await work.users.change_email(user.id, target.email, over=unverified, now=now)
        if changed is None:
            raise link_invalidated()
        return changed

    async def _with_factors(
        self, work: UnitOfWork, user: User, version: int, client_info: ClientInfo, *, now: datetime
    ) -> User:
        if user.factor_version == version:
            return user
        await self.audit.record(work, EventType.FACTORS_RESTORED, user.id, client_info=client_info)
        return await work.factors.restore(user.id, version, now=now) or user

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


def _is_usable(target: _Target, link: EmailLink, user: User, *, deleted: bool) -> bool:
    if target.point is not None:
        return target.point.closed_at is None
    if target.change is not None:
        return target.change.closed_at is None
    return deleted and user.credential_version == link.version
