"""Deliver what is owed. The outbox holds the truth, so every step may be repeated, by anybody, after any crash."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from application.mail.address_mail import addressed
from application.mail.ports import (
    Composer,
    MailDelayed,
    Mailer,
    MailRefused,
    MailServerRefused,
    MailUnanswered,
    ReportMail,
)
from application.ports import Clock, LinkSigner
from application.repositories import Begin
from domain.mail import DeliveryOutcome, EmailLink, OutboxMail, RenderedMail, retry_delay, unanswered_delay
from domain.refusals import Refusal

_POISONED = 10
_STALE_NOTICE = timedelta(days=3)
_UNANSWERED = "The mail was sent, but the server did not confirm that it accepted it."


class _Dropped(Exception):
    """The mail is no longer owed; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMail:
    """No letter is begun in the last `patience` of a lease. While a server takes longer over one, its lease is
    renewed and the others of the share are given back: no other worker sends this one, and nothing waits for it.

    What became of a letter while the store was away is told to it as soon as it is back, before any other is leased:
    otherwise the letter would go out again when its lease ends.
    """

    begin: Begin
    step: Begin
    links: LinkSigner
    composer: Composer
    mailer: Mailer
    clock: Clock
    report: ReportMail
    lease: timedelta = timedelta(seconds=50)
    patience: timedelta = timedelta(seconds=30)
    untold: list[tuple[OutboxMail, DeliveryOutcome, str]] = field(default_factory=list, init=False, repr=False)

    async def __call__(
        self, *, only: UUID | None = None, limit: int = 10, stopping: Callable[[], bool] = lambda: False
    ) -> int:
        """How many mails were due, up to `limit`. They are dealt with one after another, unless `stopping`."""
        while self.untold:  # each is in one hand at a time, for who fails puts it back
            await self._settle(*self.untold.pop())
        now = self.clock()
        async with self.begin() as work:
            leased = await work.mails.lease(hold=self.lease, limit=limit, only=only)
            ready = await addressed(work, leased, now=now)
        rest = list(leased)
        async with self.mailer.session() as mailer:
            for mail, link in ready:
                if not rest:
                    break  # given back while the letter before took its time
                if stopping() or self.clock() > now + self.lease - self.patience:
                    await self._give_back(rest)
                    break
                rest.pop(0)
                try:
                    await self._deliver(mail, link, mailer, rest)
                except BaseException:
                    # Whether this one was taken is unknown; the others were not begun, and need not wait for the
                    # lease.
                    await self._give_back(rest)
                    raise
        return len(leased)

    async def _give_back(self, rest: list[OutboxMail]) -> None:
        if rest:
            async with self.begin() as work:
                for mail in rest:
                    await work.mails.postpone(mail, wait=timedelta(), note=mail.note)
            rest.clear()

    async def _deliver(
        self, mail: OutboxMail, link: EmailLink | None, mailer: Mailer, rest: list[OutboxMail]
    ) -> None:
        async def still_sending(sent: bool) -> None:
            with suppress(Refusal):  # the letter goes on all the same
                await self._give_back(rest)
                wait, note = (self._unanswered(mail), _UNANSWERED) if sent else (self.lease, mail.note)
                async with self.step() as work:
                    await work.mails.postpone(mail, wait=wait, note=note)

        try:
            await mailer.send(self._letter(mail, link), still_sending)
        except _Dropped as dropped:
            await self._settle(mail, DeliveryOutcome.DROPPED, str(dropped))
        except MailRefused as refused:
            await self._settle(mail, DeliveryOutcome.PARKED, str(refused))
        except MailServerRefused as refused:
            for other in (mail, *rest):  # the server would tell them the same
                await self._retry(other, str(refused), hopeless=self._too_old(other), server_refuses=True)
            rest.clear()
        except MailUnanswered as unanswered:
            await self._retry(mail, str(unanswered), hopeless=self._too_old(mail), delay=self._unanswered(mail))
        except MailDelayed as delayed:
            await self._retry(mail, str(delayed), hopeless=self._too_old(mail))
        except Exception as poison:
            # One mail that cannot be made must not hold up the others. Its text could hold the link: keep the name.
            note = f"Unexpected: {type(poison).__name__}"
            await self._retry(mail, note, hopeless=mail.attempts >= _POISONED or self._too_old(mail))
        else:
            await self._settle(mail, DeliveryOutcome.SENT, "")

    def _letter(self, mail: OutboxMail, link: EmailLink | None) -> RenderedMail:
        if mail.kind.purpose is None:
            return self.composer.compose(mail, None)
        if link is None:
            raise _Dropped("no recipient")
        if link.expired(self.clock()):
            raise _Dropped("expired")
        return self.composer.compose(mail, self.links.sign(link))

    async def _settle(self, mail: OutboxMail, outcome: DeliveryOutcome, note: str) -> None:
        try:
            async with self.step() as work:
                await work.mails.settle(mail, outcome, now=self.clock(), note=note)
        except Refusal:
            self.untold.append((mail, outcome, note))
            raise
        self.report(mail, outcome, note)

    async def _retry(
        self,
        mail: OutboxMail,
        note: str,
        *,
        hopeless: bool,
        delay: timedelta | None = None,
        server_refuses: bool = False,
    ) -> None:
        if hopeless:
            await self._settle(mail, DeliveryOutcome.PARKED, note)
            return
        async with self.step() as work:
            await work.mails.postpone(mail, wait=delay or retry_delay(mail.attempts), note=note)
        self.report(mail, None, note, server_refuses=server_refuses)

    def _unanswered(self, mail: OutboxMail) -> timedelta:
        return unanswered_delay(self.clock() - mail.created_at)

    def _too_old(self, mail: OutboxMail) -> bool:
        """Mails with a link end with the link; a notice is worth a try however late, but not for ever."""
        return mail.kind.purpose is None and self.clock() >= mail.created_at + _STALE_NOTICE
