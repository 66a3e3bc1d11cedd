"""Deliver what is owed. The outbox holds the truth, so every step may be repeated, by anybody, after any crash."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from application.address_mail import addressed
from application.ports import Clock, Composer, LinkSealer, MailDelayed, Mailer, MailRefused, ReportMail
from application.store import Begin
from domain.mail import Letter, Link, Mail, Outcome, retry_delay
from domain.refusals import Refusal

_POISONED = 10
_STALE_NOTICE = timedelta(days=3)


class _Dropped(Exception):
    """The mail is no longer owed; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMail:
    """`patience` is the longest that the mailer takes over one letter. No letter is begun in the last `patience` of
    a lease, so nobody else sends what is still being sent.

    What became of a letter while the store was away is told to it as soon as it is back, before any other is leased:
    otherwise the letter would go out again when its lease ends.
    """

    begin: Begin
    step: Begin
    links: LinkSealer
    composer: Composer
    mailer: Mailer
    clock: Clock
    report: ReportMail
    lease: timedelta = timedelta(seconds=50)
    patience: timedelta = timedelta(seconds=30)
    untold: list[tuple[Mail, Outcome, str]] = field(default_factory=list, init=False, repr=False)

    async def __call__(
        self, *, only: UUID | None = None, limit: int = 10, stopping: Callable[[], bool] = lambda: False
    ) -> int:
        """How many mails were due, up to `limit`. They are dealt with one after another, unless `stopping`."""
        while self.untold:  # each is in one hand at a time, for who fails puts it back
            await self._settle(*self.untold.pop())
        now = self.clock()
        async with self.begin() as work:
            leased = await work.mails.lease(now=now, until=now + self.lease, limit=limit, only=only)
            ready = await addressed(work, leased, now=now)
        async with self.mailer.round() as mailer:
            for done, (mail, link) in enumerate(ready):
                if stopping() or self.clock() > now + self.lease - self.patience:
                    await self._give_back(leased[done:])
                    break
                try:
                    await self._deliver(mail, link, mailer)
                except BaseException:
                    # Whether this one was taken is unknown; the others were not begun, and need not wait for the
                    # lease.
                    await self._give_back(leased[done + 1 :])
                    raise
        return len(leased)

    async def _give_back(self, mails: Sequence[Mail]) -> None:
        async with self.begin() as work:
            for mail in mails:
                await work.mails.postpone(mail, until=self.clock(), note=mail.note)

    async def _deliver(self, mail: Mail, link: Link | None, mailer: Mailer) -> None:
        try:
            await mailer.send(self._letter(mail, link))
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

    def _letter(self, mail: Mail, link: Link | None) -> Letter:
        if mail.kind.purpose is None:
            return self.composer.compose(mail, None)
        if link is None:
            raise _Dropped("nobody to write to")
        if link.expired(self.clock()):
            raise _Dropped("expired")
        return self.composer.compose(mail, self.links.seal(link))

    async def _settle(self, mail: Mail, outcome: Outcome, note: str) -> None:
        try:
            async with self.step() as work:
                await work.mails.settle(mail, outcome, now=self.clock(), note=note)
        except Refusal:
            self.untold.append((mail, outcome, note))
            raise
        self.report(mail, outcome, note)

    async def _retry(self, mail: Mail, note: str, *, hopeless: bool) -> None:
        if hopeless:
            await self._settle(mail, Outcome.PARKED, note)
            return
        async with self.step() as work:
            await work.mails.postpone(mail, until=self.clock() + retry_delay(mail.attempts), note=note)
        self.report(mail, None, note)

    def _too_old(self, mail: Mail) -> bool:
        """Mails with a link end with the link; a notice is worth a try however late, but not for ever."""
        return mail.kind.purpose is None and self.clock() >= mail.created_at + _STALE_NOTICE
