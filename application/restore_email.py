"""Somebody reads a mailbox that the account had, and says that they asked for no change. Everything else yields."""

from dataclasses import dataclass

from application.ports import Clock, LinkSealer, NewId
from application.store import Begin
from domain.event import Action, Event
from domain.mail import Kind, Mail, Purpose
from domain.origin import NOWHERE, Origin
from domain.refusals import Code, Refusal
from domain.session import EndReason
from domain.user import NO_PASSWORD, User


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreEmail:
    """The old address again, no password, no session, no link; and a mail by which its reader chooses a password.

    It works whether the change was confirmed or not, and once. What led back from there dies with it; what leads
    back further stays.
    """

    begin: Begin
    links: LinkSealer
    clock: Clock
    new_id: NewId

    async def __call__(self, *, token: str, origin: Origin = NOWHERE) -> User:
        link = self.links.unseal(token, Purpose.RESTORE)
        now = self.clock()
        if link.expired(now):
            raise Refusal(Code.LINK_EXPIRED, "This link is too old. Ask whoever runs this service for help.")
        async with self.begin() as work:
            asked = await work.changes.by_id(link.subject)
            if asked is None:
                raise _dead_link()
            people = await work.users.hold(asked.user_id, email=asked.old_email)
            change = await work.changes.by_id(asked.id)
            user = next((one for one in people if one.id == asked.user_id), None)
            if user is None or user.disabled or change is None or change.closed_at is not None:
                raise _dead_link()
            if user.email != change.old_email:
                others = [one for one in people if one.email == change.old_email]
                user = await work.users.move(user.id, change.old_email, over=others, now=now)
            if user is not None:
                user = await work.users.replace_password(
                    user.id, NO_PASSWORD, credential_version=user.credential_version
                )
            if user is None:
                raise _dead_link()
            await work.changes.close(user.id, now=now, since=change.credential_version)
            await work.sessions.end_all(user.id, now=now, reason=EndReason.EMAIL_RESTORED)
            mail = Mail.owed(
                Kind.EMAIL_RESTORED, user.email, id=self.new_id(), now=now, user_id=user.id, origin=origin
            )
            await work.mails.add(mail)
            await work.events.add(Event.of(Action.EMAIL_RESTORED, user.id, id=self.new_id(), now=now, origin=origin))
        return user


def _dead_link() -> Refusal:
    return Refusal(Code.LINK_INVALID, "This link is not valid any more.")
