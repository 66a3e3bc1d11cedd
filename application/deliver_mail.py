"""Deliver what is owed. The outbox holds the truth, so every step may be repeated, by anybody, after any crash."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from application.ports import Clock, Composer, LinkSealer, MailDelayed, Mailer, MailRefused
from application.store import Begin, Users
from domain.mail import Kind, Letter, Link, Mail, Outcome, Purpose, retry_delay
from domain.user import User

_POISONED = 10
_STALE_NOTICE = timedelta(days=3)


class _Dropped(Exception):
    """The mail is no longer owed; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMail:
    """`patience` is the longest that the mailer takes over one letter. No letter is begun in the last `patience` of
    a lease, so nobody else sends what is still being sent.
    """

    begin: Begin
    links: LinkSealer
    composer: Composer
    mailer: Mailer
    clock: Clock
    lease: timedelta = timedelta(seconds=50)
    patience: timedelta = timedelta(seconds=30)

    async def __call__(
        self, *, only: UUID | None = None, limit: int = 10, stopping: Callable[[], bool] = lambda: False
    ) -> int:
        """How many mails were due, up to `limit`. They are dealt with one after another, unless `stopping`."""
        now = self.clock()
        async with self.begin() as work:
            leased = await work.mails.lease(now=now, until=now + self.lease, limit=limit, only=only)
            addressed = [await _addressed(work.users, mail) for mail in leased]
        for done, (mail, user) in enumerate(addressed):
            if stopping() or self.clock() > now + self.lease - self.patience:
                await self._give_back(leased[done:])
                break
            await self._deliver(mail, user)
        return len(leased)

    async def _give_back(self, mails: Sequence[Mail]) -> None:
        async with self.begin() as work:
            for mail in mails:
                await work.mails.postpone(mail, until=self.clock(), note=mail.note)

    async def _deliver(self, mail: Mail, user: User | None) -> None:
        try:
            await self.mailer.send(self._letter(mail, user))
        except _Dropped as dropped:
            await self._settle(mail, Outcome.DROPPED, str(dropped))
        except MailRefused as refused:
            await self._settle(mail, Outcome.PARKED, str(refused))
        except MailDelayed as delayed:
            await self._retry(mail, str(delayed), hopeless=self._too_old(mail))
        except Exception as poison:
            # One mail that cannot be made must not hold up the others. Its text could hold the link: keep the name.
            note = f"Unexpected: {type(poison).__name__}"
            await self._retry(mail, note, hopeless=mail.attempts >= _POISONED or self._too_old(mail))
        else:
            await self._settle(mail, Outcome.SENT, "")

    def _letter(self, mail: Mail, user: User | None) -> Letter:
        if mail.kind.purpose is None:
            return self.composer.compose(mail, None)
        if user is None:
            raise _Dropped("nobody to write to")
        # Issued when the mail was asked for, so that a second send carries the same link and none lives longer.
        link = Link(
            purpose=mail.kind.purpose,
            subject=user.id,
            credential_version=user.credential_version,
            issued_at=mail.created_at,
        )
        if link.expired(self.clock()):
            raise _Dropped("expired")
        # To the address that the user holds, whatever the mail says.
        return self.composer.compose(replace(mail, recipient=user.email), self.links.seal(link))

    async def _settle(self, mail: Mail, outcome: Outcome, note: str) -> None:
        async with self.begin() as work:
            await work.mails.settle(mail, outcome, now=self.clock(), note=note)

    async def _retry(self, mail: Mail, note: str, *, hopeless: bool) -> None:
        until = self.clock() + retry_delay(mail.attempts)
        async with self.begin() as work:
            if hopeless:
                await work.mails.settle(mail, Outcome.PARKED, now=self.clock(), note=note)
            else:
                await work.mails.postpone(mail, until=until, note=note)

    def _too_old(self, mail: Mail) -> bool:
        """Mails with a link end with the link; a notice is worth a try however late, but not for ever."""
        return mail.kind.purpose is None and self.clock() >= mail.created_at + _STALE_NOTICE


async def _addressed(users: Users, mail: Mail) -> tuple[Mail, User | None]:
    """The mail, and whom its link is for.

    Who asks for another verification cannot say which claim is meant. Where there are several, the newest may be
    a stranger's with a planted password, so the link lets the owner of the mailbox choose one: that proves as well.
    """
    user = await _addressee(users, mail)
    if mail.kind is Kind.VERIFY and mail.user_id is None and user is not None and await users.claims(user.email) > 1:
        return replace(mail, kind=Kind.RESET), user
    return mail, user


async def _addressee(users: Users, mail: Mail) -> User | None:
    """Whom the link of this mail is for; None where there is no link, or nobody who should have it."""
    if mail.kind.purpose is None:
        return None
    holder = user = await users.by_email(mail.recipient)
    if mail.user_id is not None and (user is None or user.id != mail.user_id):
        user = await users.by_id(mail.user_id)
    if user is None:
        return None
    if mail.kind.purpose is Purpose.VERIFY:
        taken = holder is not None and holder.verified
        return None if user.verified or taken else user
    return None if user.disabled else user
