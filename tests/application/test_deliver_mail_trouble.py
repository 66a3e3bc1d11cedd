"""Failures of delivery: what is retried, when, and what ends it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

import pytest

from application.mail.ports import (
    Composer,
    MailDelayed,
    Mailer,
    MailRefused,
    MailServerRefused,
    MailUnanswered,
    StillSending,
    not_waiting,
)
from application.repositories import UnitOfWork
from domain.mail_timing import retry_delay
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail, RenderedMail
from domain.refusals import Refusal, unavailable
from tests.support.queued_mail import ALICE, claim, mail_status, queue_mail, stored_mail
from tests.support.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])]


@dataclass
class Poisonous(Composer):
    """A composer that fails for one recipient."""

    usual: Composer
    choke_on: str

    def compose(self, mail: OutboxMail, link: str | None, earlier_links: Sequence[str] = ()) -> RenderedMail:
        if mail.recipient == self.choke_on:
            raise UnicodeError(f"cannot write {link}")
        return self.usual.compose(mail, link, earlier_links)


async def test_a_delayed_mail_is_retried_with_increasing_delays(world: World) -> None:
    mail = await queue_mail(world, MailKind.ALREADY_REGISTERED)
    world.mailer.trouble = MailDelayed("450 busy")
    for attempt in range(1, 13):
        assert await mail_status(world, mail) == (None, "450 busy")
        assert stored_mail(world, mail).attempts == attempt
        assert stored_mail(world, mail).due_at == world.clock() + retry_delay(attempt)
        assert await world.deliver_mail() == 0
        world.clock.now = stored_mail(world, mail).due_at
    world.mailer.trouble = None
    assert await mail_status(world, mail) == (DeliveryOutcome.SENT, "")


async def test_a_refused_mail_is_parked_until_it_is_redriven(world: World) -> None:
    mail = await queue_mail(world, MailKind.ALREADY_REGISTERED)
    world.mailer.trouble = MailRefused("550 no such user")
    assert await mail_status(world, mail) == (DeliveryOutcome.PARKED, "550 no such user")
    assert [parked.id for parked in await world.list_parked_mails()] == [mail.id]
    world.mailer.trouble = None
    assert await world.redrive_mail(mail_id=mail.id)
    assert not await world.redrive_mail(mail_id=mail.id)
    assert await mail_status(world, mail) == (DeliveryOutcome.SENT, "")
    assert await world.list_parked_mails() == []


@pytest.mark.parametrize("kind", [MailKind.VERIFY, MailKind.RESET])
async def test_a_mail_whose_link_has_expired_is_not_sent(world: World, kind: MailKind) -> None:
    await claim(world)
    early, late = await queue_mail(world, kind), await queue_mail(world, kind)
    assert kind.purpose is not None
    world.clock.now += kind.purpose.lifetime - timedelta(microseconds=1)
    assert await mail_status(world, early) == (DeliveryOutcome.SENT, "")
    world.clock.now += timedelta(microseconds=1)
    assert await mail_status(world, late) == (DeliveryOutcome.DROPPED, "expired")
    assert len(world.mailer.letters) == 1


async def test_a_late_notice_is_tried_once_and_then_dropped(world: World) -> None:
    first, second = (
        await queue_mail(world, MailKind.PASSWORD_CHANGED),
        await queue_mail(world, MailKind.PASSWORD_CHANGED),
    )
    world.clock.advance(days=3)
    assert await mail_status(world, first) == (DeliveryOutcome.SENT, "")
    world.mailer.trouble = MailDelayed("451 later")
    assert await mail_status(world, second) == (DeliveryOutcome.PARKED, "451 later")


@dataclass
class Fading(Mailer):
    """A mailer that accepts the mail, and a store that is down from then on."""

    world: World
    away: bool = False

    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting) -> None:
        await self.world.mailer.send(letter, still_sending)
        self.away = True

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        if self.away:
            raise unavailable("The database")
        async with self.world.begin() as work:
            yield work


async def test_a_mail_sent_during_an_outage_of_the_store_is_not_sent_again(world: World) -> None:
    fading = Fading(world)
    deliver = replace(world.deliver_mail, begin=fading.begin, autocommit=fading.begin, mailer=fading)
    first, second = (
        await queue_mail(world, MailKind.ALREADY_REGISTERED),
        await queue_mail(world, MailKind.PASSWORD_CHANGED),
    )
    for mail in (first, second):
        fading.away = False
        with pytest.raises(Refusal, match="is not available"):
            await deliver(only=mail.id)
        with pytest.raises(Refusal, match="is not available"):
            await deliver()
    fading.away = False
    world.clock.now += deliver.lease
    assert await deliver() == 0
    assert len(world.mailer.letters) == 2
    assert [stored_mail(world, mail).outcome for mail in (first, second)] == [DeliveryOutcome.SENT] * 2
    assert world.reports == [(first.id, DeliveryOutcome.SENT, ""), (second.id, DeliveryOutcome.SENT, "")]


async def test_the_outcome_of_a_mail_leased_by_another_worker_is_not_recorded(world: World) -> None:
    fading = Fading(world)
    deliver = replace(world.deliver_mail, begin=fading.begin, autocommit=fading.begin, mailer=fading)
    mail = await queue_mail(world, MailKind.ALREADY_REGISTERED)
    with pytest.raises(Refusal, match="is not available"):
        await deliver()
    fading.away = False
    world.clock.now += deliver.lease
    world.mailer.trouble = MailDelayed("450 busy")
    assert await mail_status(world, mail) == (None, "450 busy")
    assert await deliver() == 0
    assert (stored_mail(world, mail).outcome, stored_mail(world, mail).attempts) == (None, 2)


@pytest.mark.parametrize("kind", [MailKind.VERIFY, MailKind.ALREADY_REGISTERED])
async def test_a_repeated_send_is_the_same_mail(world: World, kind: MailKind) -> None:
    await claim(world)
    mail = await queue_mail(world, kind)
    world.mailer.trouble = MailDelayed("450 busy")
    await world.deliver_mail(only=mail.id)
    world.mailer.trouble = None
    world.clock.advance(minutes=5)
    await world.deliver_mail(only=mail.id)
    # The worker died before it could record the outcome, and another takes over.
    world.store.rows.mails[mail.id] = replace(stored_mail(world, mail), outcome=None, due_at=world.clock())
    world.clock.advance(minutes=1)
    await world.deliver_mail(only=mail.id)
    first, second = world.mailer.letters
    assert first == second
    assert first.id == mail.id


async def test_a_poisoned_mail_is_parked_after_ten_attempts_and_delays_no_other(world: World) -> None:
    deliver = replace(world.deliver_mail, composer=Poisonous(world.composer, choke_on="poison@example.org"))
    mails = [
        await queue_mail(world, MailKind.SESSION_STOLEN, who)
        for who in ("poison@example.org", ALICE, "bob@example.org")
    ]
    assert await deliver() == 3
    assert {letter.recipient for letter in world.mailer.letters} == {ALICE, "bob@example.org"}
    for _ in range(9):
        assert stored_mail(world, mails[0]).outcome is None
        world.clock.now = stored_mail(world, mails[0]).due_at
        await deliver()
    assert (stored_mail(world, mails[0]).outcome, stored_mail(world, mails[0]).attempts) == (
        DeliveryOutcome.PARKED,
        10,
    )
    assert stored_mail(world, mails[0]).note == "Unexpected: UnicodeError"


async def test_an_outcome_is_reported_after_it_is_stored(world: World) -> None:
    await claim(world)
    world.reports.clear()
    late, refused, fine = [
        await queue_mail(world, kind) for kind in (MailKind.RESET, MailKind.VERIFY, MailKind.ALREADY_REGISTERED)
    ]
    for trouble in (MailDelayed("450 busy"), MailRefused("550 no"), None):
        world.mailer.trouble = trouble
        await world.deliver_mail(only={"450 busy": late.id, "550 no": refused.id}.get(str(trouble), fine.id))
    world.clock.advance(minutes=30)
    await world.deliver_mail(only=late.id)
    assert world.reports == [
        (late.id, None, "450 busy"),
        (refused.id, DeliveryOutcome.PARKED, "550 no"),
        (fine.id, DeliveryOutcome.SENT, ""),
        (late.id, DeliveryOutcome.DROPPED, "expired"),
    ]


# -- what a server says of itself, and what it does not say -----------------------------------------------------


@dataclass
class Slow(Mailer):
    """A mailer with a slow server. Calls `act` meanwhile."""

    world: World
    act: Callable[[RenderedMail, StillSending], Awaitable[None]]

    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting) -> None:
        await self.act(letter, still_sending)


async def test_refusing_server_is_tried_once_per_batch_and_loses_no_mail(world: World) -> None:
    attempted: list[RenderedMail] = []

    async def turn_away(letter: RenderedMail, _: StillSending) -> None:
        attempted.append(letter)
        raise MailServerRefused("SMTP MAIL: 550 5.7.60 not as this sender")

    mails = [await queue_mail(world, MailKind.ALREADY_REGISTERED, f"user{number}@example.org") for number in range(5)]
    deliver = replace(world.deliver_mail, mailer=Slow(world, turn_away))
    for attempt in range(1, 4):
        assert await deliver() == 5
        assert len(attempted) == attempt
        assert {(stored_mail(world, mail).outcome, stored_mail(world, mail).attempts) for mail in mails} == {
            (None, attempt)
        }
        assert {stored_mail(world, mail).due_at for mail in mails} == {world.clock() + retry_delay(attempt)}
        world.clock.now += retry_delay(attempt)
    assert world.server_refusals == 15
    assert await world.deliver_mail() == 5
    assert len(world.mailer.letters) == 5


async def test_a_server_that_refuses_us_for_days_drops_only_expired_mails(world: World) -> None:
    await claim(world)
    notice, link = await queue_mail(world, MailKind.PASSWORD_CHANGED), await queue_mail(world, MailKind.VERIFY)
    world.mailer.trouble = MailServerRefused("SMTP MAIL: 550 no")
    world.clock.advance(hours=23)
    assert await world.deliver_mail() == 2
    assert [stored_mail(world, mail).outcome for mail in (notice, link)] == [None, None]
    world.clock.advance(days=3)
    assert await mail_status(world, link) == (DeliveryOutcome.DROPPED, "expired")
    assert await mail_status(world, notice) == (DeliveryOutcome.PARKED, "SMTP MAIL: 550 no")


async def test_a_mail_that_may_have_arrived_is_resent_rarely_and_unchanged(world: World) -> None:
    mail, letters = await queue_mail(world, MailKind.ALREADY_REGISTERED), []

    async def take(letter: RenderedMail, _: StillSending) -> None:
        letters.append(letter)
        raise MailUnanswered("SMTP DATA: no answer in time.")

    deliver, began = replace(world.deliver_mail, mailer=Slow(world, take)), world.clock()
    while (world.clock() - began) < timedelta(days=1):
        assert await deliver() == 1
        world.clock.now = stored_mail(world, mail).due_at
    assert 3 < len(letters) < 10
    assert len({letter.id for letter in letters}) == 1
    assert min(b.written_at - a.written_at for a, b in pairwise(letters)) == timedelta()
    assert stored_mail(world, mail).outcome is None


async def test_a_slow_mail_keeps_its_lease_and_other_mails_are_released(world: World) -> None:
    first, *others = [
        await queue_mail(world, MailKind.ALREADY_REGISTERED, f"user{number}@example.org") for number in range(4)
    ]

    async def dawdle(letter: RenderedMail, still_sending: StillSending) -> None:
        for beat in range(120):
            await still_sending(beat > 2)
            assert await world.deliver_mail() == (3 if beat == 0 else 0)
            world.clock.advance(seconds=5)
        await world.mailer.send(letter)

    await replace(world.deliver_mail, mailer=Slow(world, dawdle))()
    assert [stored_mail(world, mail).outcome for mail in (first, *others)] == [DeliveryOutcome.SENT] * 4
    assert len(world.mailer.letters) == 4


async def test_a_worker_that_dies_before_the_reply_leaves_the_mail_for_later(world: World) -> None:
    async def die(_: RenderedMail, still_sending: StillSending) -> None:
        await still_sending(True)
        raise KeyboardInterrupt

    mail = await queue_mail(world, MailKind.ALREADY_REGISTERED)
    with pytest.raises(KeyboardInterrupt):
        await replace(world.deliver_mail, mailer=Slow(world, die))()
    assert stored_mail(world, mail).due_at == world.clock() + timedelta(minutes=15)
    assert "did not confirm" in stored_mail(world, mail).note


async def test_a_mail_is_sent_even_if_its_lease_cannot_be_renewed(world: World) -> None:
    fading = Fading(world)

    async def dawdle(letter: RenderedMail, still_sending: StillSending) -> None:
        fading.away = True
        await still_sending(True)
        fading.away = False
        await world.mailer.send(letter)

    mail = await queue_mail(world, MailKind.ALREADY_REGISTERED)
    deliver = replace(world.deliver_mail, begin=fading.begin, autocommit=fading.begin, mailer=Slow(world, dawdle))
    assert await deliver() == 1
    assert stored_mail(world, mail).outcome is DeliveryOutcome.SENT
