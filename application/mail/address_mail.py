"""Find the recipient and the link of a mail at delivery, because both may have changed since it was queued."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from application.invitations.valid_invitation import valid_invitation
from application.mail.earlier_changes import earlier_changes
from application.repositories import UnitOfWork
from domain.email_change import undoable_until
from domain.outbox import VERIFIED_USER, EmailLink, LinkPurpose, MailKind, OutboxMail
from domain.user import User


async def addressed(
    work: UnitOfWork, mails: Sequence[OutboxMail], *, now: datetime
) -> Sequence[tuple[OutboxMail, EmailLink | None]]:
    """Return each mail as it is to be sent, with its link. The link is None for a notice, if no user may get one, or
    if it would have no effect.
    """
    about_users = {mail.recipient for mail in mails if mail.purpose in (LinkPurpose.VERIFY, LinkPurpose.RESET)}
    holders = await work.users.by_emails(about_users)
    mails_and_links = [await _addressed(work, mail, holders.get(mail.recipient), now) for mail in mails]
    # Recorded before any is sent, so that every sent link has already invalidated the earlier ones.
    newest: dict[UUID, datetime] = {}
    for _, link in mails_and_links:
        if link is not None and link.purpose is LinkPurpose.RESET:
            newest[link.subject] = max(link.issued_at, newest.get(link.subject, link.issued_at))
    await work.users.record_reset_links(newest)
    return [
        (mail, None if link is not None and _is_replaced(link, newest) else link) for mail, link in mails_and_links
    ]


def _is_replaced(link: EmailLink, newest: Mapping[UUID, datetime]) -> bool:
    return link.purpose is LinkPurpose.RESET and link.issued_at < newest[link.subject].replace(microsecond=0)


async def _addressed(
    work: UnitOfWork, mail: OutboxMail, holder: User | None, now: datetime
) -> tuple[OutboxMail, EmailLink | None]:
    if mail.purpose is None:
        return mail, None
    if mail.purpose in (LinkPurpose.EMAIL, LinkPurpose.RESTORE):
        return await _about_an_address(work, mail, mail.purpose, now)
    if mail.purpose is LinkPurpose.INVITE:
        invitation = None if mail.change_id is None else await valid_invitation(work, mail.change_id, now=now)
        return mail, None if invitation is None else _link(mail, invitation.id, 0)
    user = await _addressee(work, mail, holder)
    # A request to resend cannot tell which of several registrations it means. The newest may be a stranger's, whose
    # password would then work. A reset link verifies too, and lets the owner of the mailbox choose the password.
    is_resend = mail.kind is MailKind.VERIFY and mail.user_id is None and user is not None
    if is_resend and user is not None and await work.users.count_unverified(user.email) > 1:
        mail = replace(mail, kind=MailKind.RESET)
    if mail.kind is MailKind.RESET and (user is None or not user.verified):
        undo = await _undo(work, mail, now)
        if undo is not None:
            return undo
    if user is None:
        return mail, None
    # The user may have changed the address since.
    mail = replace(mail, recipient=user.email)
    if mail.purpose is LinkPurpose.VERIFY:
        return mail, _link(mail, user.id, user.credential_version)
    if mail.kind is MailKind.EMAIL_RESTORED:
        mail = replace(mail, earlier=await earlier_changes(work, user, now=now))
    if (until := undoable_until(await work.email_changes.by_user(user.id), now, unless_by=user.email)) is not None:
        kind = mail.kind if mail.kind is MailKind.EMAIL_RESTORED else MailKind.RESET_WAITS
        return replace(mail, kind=kind, until=until, has_password=user.has_password), None
    link = _link(mail, user.id, user.recovery_version)
    return mail, link if link is not None and user.can_reset_by(link) else None


async def _undo(work: UnitOfWork, mail: OutboxMail, now: datetime) -> tuple[OutboxMail, EmailLink] | None:
    """The undo link for an address that a user has lost by an action that can still be undone, or None. It replaces
    the reset link: if a stranger has registered the address since, their reset would prevent the undo."""
    subject, version, issued_at = None, 0, now
    if (deletion := await work.users.undoable_deletion(mail.recipient, now=now)) is not None:
        subject, version, issued_at = deletion.user_id, deletion.version, deletion.deleted_at
    else:
        change = await work.email_changes.newest_undoable(mail.recipient, since=now - LinkPurpose.RESTORE.lifetime)
        if change is not None and change.confirmed_at is not None and await _is_left(work, change.user_id, now):
            subject, issued_at = change.id, change.confirmed_at
    if subject is None:
        return None
    link = EmailLink(purpose=LinkPurpose.RESTORE, subject=subject, version=version, issued_at=issued_at)
    return replace(mail, kind=MailKind.UNDO_INSTEAD, until=issued_at + LinkPurpose.RESTORE.lifetime), link


async def _is_left(work: UnitOfWork, user_id: UUID, now: datetime) -> bool:
    """Whether the user exists, or was deleted and can be restored."""
    if await work.users.by_id(user_id) is not None:
        return True
    deletion = await work.users.deletion(user_id)
    return deletion is not None and deletion.can_be_undone(now)


async def _about_an_address(
    work: UnitOfWork, mail: OutboxMail, purpose: LinkPurpose, now: datetime
) -> tuple[OutboxMail, EmailLink | None]:
    if mail.kind is MailKind.ACCOUNT_CLOSED:
        return mail, await _about_a_deletion(work, mail, now)
    if mail.kind.has_undo_point:
        return await _about_an_undo_point(work, mail, now)
    change = None if mail.change_id is None else await work.email_changes.by_id(mail.change_id)
    if change is None:
        return mail, None
    if purpose is LinkPurpose.RESTORE:
        usable = change.closed_at is None and await _is_left(work, change.user_id, now)
        recipient = change.old_email
    else:
        user = await work.users.by_id(change.user_id)
        newest = await work.email_changes.newest(change.user_id)
        usable = user is not None and newest == change and change.can_be_confirmed(user, now=now)
        recipient = change.new_email
    return replace(mail, recipient=recipient), _link(mail, change.id, 0) if usable else None


async def _about_an_undo_point(
    work: UnitOfWork, mail: OutboxMail, now: datetime
) -> tuple[OutboxMail, EmailLink | None]:
    point = None if mail.change_id is None else await work.factors.undo_point(mail.change_id)
    if point is None:
        return mail, None
    usable = point.closed_at is None and await _is_left(work, point.user_id, now)
    return replace(mail, recipient=point.email, change=point.kind), _link(mail, point.id, 0) if usable else None


async def _about_a_deletion(work: UnitOfWork, mail: OutboxMail, now: datetime) -> EmailLink | None:
    deletion = None if mail.user_id is None else await work.users.deletion(mail.user_id)
    if deletion is None or not deletion.can_be_undone(now) or deletion.email != mail.recipient:
        return None
    return _link(mail, deletion.user_id, deletion.version)


async def _addressee(work: UnitOfWork, mail: OutboxMail, holder: User | None) -> User | None:
    user = holder
    if mail.user_id == VERIFIED_USER:
        user = holder if holder is not None and holder.verified else None
    elif mail.user_id is not None and (user is None or user.id != mail.user_id):
        user = await work.users.by_id(mail.user_id)
    if user is None:
        return None
    if mail.purpose is LinkPurpose.VERIFY:
        address_taken = holder is not None and holder.verified
        return None if user.verified or address_taken else user
    return None if user.disabled else user


def _link(mail: OutboxMail, subject: UUID, version: int) -> EmailLink | None:
    """`issued_at` is when the mail was queued, so every attempt sends the same link, with the same expiry."""
    if mail.purpose is None:
        return None
    return EmailLink(purpose=mail.purpose, subject=subject, version=version, issued_at=mail.created_at)
