"""Whom a mail is for, and which link it carries: found out when it is sent, for much may have happened since."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from application.store import Work
from domain.mail import Kind, Link, Mail, Purpose
from domain.user import User


async def addressed(work: Work, mails: Sequence[Mail], *, now: datetime) -> Sequence[tuple[Mail, Link | None]]:
    """Each mail as it is to be sent, and its link. No link for a notice; nor where there is nobody who should have
    one, or it could do nothing any more.
    """
    about_users = {mail.recipient for mail in mails if mail.kind.purpose in (Purpose.VERIFY, Purpose.RESET)}
    holders = await work.users.by_emails(about_users)
    return [await _addressed(work, mail, holders.get(mail.recipient), now) for mail in mails]


async def _addressed(work: Work, mail: Mail, holder: User | None, now: datetime) -> tuple[Mail, Link | None]:
    if mail.kind.purpose is None:
        return mail, None
    if mail.kind.purpose in (Purpose.EMAIL, Purpose.RESTORE):
        return await _about_an_address(work, mail, mail.kind.purpose, now)
    user = await _addressee(work, mail, holder)
    if user is None:
        return mail, None
    # Who asks for another verification cannot say which claim is meant. Where there are several, the newest may be a
    # stranger's with a planted password, so the link lets the owner of the mailbox choose one: that proves as well.
    if mail.kind is Kind.VERIFY and mail.user_id is None and await work.users.claims(user.email) > 1:
        mail = replace(mail, kind=Kind.RESET)
    # To the address that the user holds, whatever the mail says.
    return replace(mail, recipient=user.email), _link(mail, user.id, user.credential_version)


async def _about_an_address(work: Work, mail: Mail, purpose: Purpose, now: datetime) -> tuple[Mail, Link | None]:
    change = None if mail.change_id is None else await work.changes.by_id(mail.change_id)
    user = None if change is None else await work.users.by_id(change.user_id)
    if change is None or user is None:
        return mail, None
    if purpose is Purpose.RESTORE:
        useful, recipient = change.closed_at is None, change.old_email
    else:
        newest = await work.changes.newest(user.id)
        useful, recipient = newest == change and change.confirmable(user, now=now), change.new_email
    return replace(mail, recipient=recipient), _link(mail, change.id, 0) if useful else None


async def _addressee(work: Work, mail: Mail, holder: User | None) -> User | None:
    user = holder
    if mail.user_id is not None and (user is None or user.id != mail.user_id):
        user = await work.users.by_id(mail.user_id)
    if user is None:
        return None
    if mail.kind.purpose is Purpose.VERIFY:
        taken = holder is not None and holder.verified
        return None if user.verified or taken else user
    return None if user.disabled else user


def _link(mail: Mail, subject: UUID, version: int) -> Link | None:
    """Issued when the mail was asked for, so that a second send carries the same link and none lives longer."""
    if mail.kind.purpose is None:
        return None
    return Link(purpose=mail.kind.purpose, subject=subject, credential_version=version, issued_at=mail.created_at)
