"""Deliver queued mails. Any worker may repeat a step after a crash, because the outbox row is the only state."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from application.mail.address_mail import addressed
from application.mail.earlier_changes import undo_link
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
from application.repositories import UnitOfWorkFactory
from domain.mail_timing import retry_delay, unanswered_delay
from domain.outbox import DeliveryOutcome, EmailLink, OutboxMail, RenderedMail
from domain.refusals import Refusal

_POISONED = 10
_STALE_NOTICE = timedelta(days=3)
_UNANSWERED = "The mail was sent, but the server did not confirm that it accepted it."


class _Dropped(Exception):
    """The mail need not be sent any more; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverMail:
    """Does not start a mail in the last `send_timeout` of its lease. While a server is slow, the lease is renewed, so
    that no other worker sends the same mail, and the other mails of the batch are released, so that they need not
    wait.

    An outcome that could not be stored because of an outage is stored before the next mails are leased. Otherwise the
    mail would be sent again when its lease ends.
    """

    begin: UnitOfWorkFactory
    autocommit: UnitOfWorkFactory
    links: LinkSigner
    composer: Composer
    mailer: Mailer
    clock: Clock
    report: ReportMail
    lease: timedelta = timedelta(seconds=50)
    send_timeout: timedelta = timedelta(seconds=30)
    unsaved: list[tuple[OutboxMail, DeliveryOutcome, str]] = field(default_factory=list, init=False, repr=False)

    async def __call__(
        self, *, only: UUID | None = None, limit: int = 10, stopping: Callable[[], bool] = lambda: False
    ) -> int:
        """Deliver up to `limit` due mails one after another, and return their number. If `stopping`, release those
        that have not been started."""
        while self.unsaved:  # popped first, so that concurrent calls do not store it twice; a failure puts it back
            await self._settle(*self.unsaved.pop())
        now = self.clock()
        async with self.begin() as work:
            leased = await work.outbox.lease(hold=self.lease, limit=limit, only=only)
            mails_and_links = await addressed(work, leased, now=now)
        not_started = list(leased)
        async with self.mailer.session() as mailer:
            for mail, link in mails_and_links:
                if not not_started:
                    break  # released during a slow delivery
                if stopping() or self.clock() > now + self.lease - self.send_timeout:
                    await self._release(not_started)
                    break
                not_started.pop(0)
                try:
                    await self._deliver(mail, link, mailer, not_started)
                except BaseException:
                    # This mail may have been accepted, so it keeps its lease. The others were not started.
                    await self._release(not_started)
                    raise
        return len(leased)

    async def _release(self, not_started: list[OutboxMail]) -> None:
        if not_started:
            async with self.begin() as work:
                for mail in not_started:
                    await work.outbox.postpone(mail, wait=timedelta(), note=mail.note)
            not_started.clear()

    async def _deliver(
        self, mail: OutboxMail, link: EmailLink | None, mailer: Mailer, not_started: list[OutboxMail]
    ) -> None:
        async def still_sending(sent: bool) -> None:
            with suppress(Refusal):  # the delivery continues without the renewal
                await self._release(not_started)
                wait, note = (self._unanswered(mail), _UNANSWERED) if sent else (self.lease, mail.note)
                async with self.autocommit() as work:
                    await work.outbox.postpone(mail, wait=wait, note=note)

        try:
            await mailer.send(self._letter(mail, link), still_sending)
        except _Dropped as dropped:
            await self._settle(mail, DeliveryOutcome.DROPPED, str(dropped))
        except MailRefused as refused:
            await self._settle(mail, DeliveryOutcome.PARKED, str(refused))
        except MailServerRefused as refused:
            for other in (mail, *not_started):  # the server would refuse them too
                await self._retry(other, str(refused), hopeless=self._too_old(other), server_refuses=True)
            not_started.clear()
        except MailUnanswered as unanswered:
            await self._retry(mail, str(unanswered), hopeless=self._too_old(mail), delay=self._unanswered(mail))
        except MailDelayed as delayed:
            await self._retry(mail, str(delayed), hopeless=self._too_old(mail))
        except Exception as error:
            # A mail that cannot be rendered must not block the others. Only the name of the error is stored, because
            # its text could contain the link.
            note = f"Unexpected: {type(error).__name__}"
            await self._retry(mail, note, hopeless=mail.attempts >= _POISONED or self._too_old(mail))
        else:
            await self._settle(mail, DeliveryOutcome.SENT, "")

    def _letter(self, mail: OutboxMail, link: EmailLink | None) -> RenderedMail:
        earlier_links = [self.links.sign(undo_link(change)) for change in mail.earlier]
        if mail.purpose is None:
            return self.composer.compose(mail, None, earlier_links)
        if link is None:
            raise _Dropped("no recipient")
        if link.expired(self.clock()):
            raise _Dropped("expired")
        return self.composer.compose(mail, self.links.sign(link), earlier_links)

    async def _settle(self, mail: OutboxMail, outcome: DeliveryOutcome, note: str) -> None:
        try:
            async with self.autocommit() as work:
                await work.outbox.record_outcome(mail, outcome, now=self.clock(), note=note)
        except Refusal:
            self.unsaved.append((mail, outcome, note))
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
        async with self.autocommit() as work:
            await work.outbox.postpone(mail, wait=delay or retry_delay(mail.attempts), note=note)
        self.report(mail, None, note, server_refuses=server_refuses)

    def _unanswered(self, mail: OutboxMail) -> timedelta:
        return unanswered_delay(self.clock() - mail.created_at)

    def _too_old(self, mail: OutboxMail) -> bool:
        """Whether a failed notice is given up. A mail with a link is dropped when the link expires."""
        return mail.purpose is None and self.clock() >= mail.created_at + _STALE_NOTICE
