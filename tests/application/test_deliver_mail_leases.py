"""Leases: each mail belongs to one worker at a time, and for a limited time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import anyio
import pytest

from adapters.memory.mailer import MemoryMailer
from application.mail.ports import Mailer, MailRefused, StillSending, not_waiting
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail, RenderedMail
from tests.support.queued_mail import mail_status, queue_mail, stored_mail
from tests.support.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])]


class Killed(BaseException):
    """An unexpected error."""


@dataclass
class Acting(Mailer):
    """A mailer that calls a function while it sends."""

    act: Callable[[RenderedMail], Awaitable[None]]

    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting) -> None:
        await self.act(letter)


@dataclass
class Touring(Mailer):
    """A mailer that accepts mails only within a session."""

    rounds: list[MemoryMailer] = field(default_factory=list)

    async def send(self, letter: RenderedMail, still_sending: StillSending = not_waiting) -> None:
        raise MailRefused("not on a round")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Mailer]:
        self.rounds.append(MemoryMailer())
        yield self.rounds[-1]


async def owe_many(world: World, count: int) -> list[OutboxMail]:
    return [await queue_mail(world, MailKind.SESSION_STOLEN, f"user{number}@example.org") for number in range(count)]


async def test_the_mail_of_a_dead_worker_is_due_when_the_lease_ends(world: World) -> None:
    async def die(_letter: RenderedMail) -> None:
        raise Killed

    (mail,) = await owe_many(world, 1)
    with pytest.raises(Killed):
        await replace(world.deliver_mail, mailer=Acting(die))()
    world.clock.advance(seconds=49)
    assert await world.deliver_mail() == 0
    world.clock.advance(seconds=1)
    assert await mail_status(world, mail) == (DeliveryOutcome.SENT, "")


async def test_an_interrupted_worker_releases_the_other_mails_of_its_batch(world: World) -> None:
    async def die(_letter: RenderedMail) -> None:
        raise Killed

    begun, *others = await owe_many(world, 3)
    with pytest.raises(Killed):
        await replace(world.deliver_mail, mailer=Acting(die))()
    assert await world.deliver_mail() == 2
    assert [stored_mail(world, mail).outcome for mail in (begun, *others)] == [
        None,
        DeliveryOutcome.SENT,
        DeliveryOutcome.SENT,
    ]


async def test_mails_of_a_batch_that_takes_too_long_are_released(world: World) -> None:
    async def dawdle(letter: RenderedMail) -> None:
        world.clock.advance(seconds=11)
        await world.mailer.send(letter)

    mails, began = await owe_many(world, 5), world.clock()
    assert await replace(world.deliver_mail, mailer=Acting(dawdle))() == 5
    assert world.clock() == began + timedelta(seconds=22)
    assert (
        [stored_mail(world, mail).outcome for mail in mails].count(DeliveryOutcome.SENT)
        == len(world.mailer.letters)
        == 2
    )
    assert await world.deliver_mail() == 3
    assert len({letter.id for letter in world.mailer.letters}) == len(world.mailer.letters) == 5


async def test_stopping_releases_mails_that_were_not_started(world: World) -> None:
    await owe_many(world, 3)
    assert await world.deliver_mail(stopping=lambda: len(world.mailer.letters) == 1) == 3
    assert len(world.mailer.letters) == 1
    assert await world.deliver_mail() == 2
    assert len({letter.id for letter in world.mailer.letters}) == len(world.mailer.letters) == 3


async def test_the_mails_of_a_batch_share_an_smtp_session(world: World) -> None:
    mails, touring = await owe_many(world, 5), Touring()
    deliver = replace(world.deliver_mail, mailer=touring)
    assert [await deliver(limit=3), await deliver(limit=3)] == [3, 2]
    assert [len(mailer.letters) for mailer in touring.rounds] == [3, 2]
    assert [letter.id for mailer in touring.rounds for letter in mailer.letters] == [mail.id for mail in mails]


async def test_the_outcome_of_each_mail_is_recorded_before_the_next_starts(world: World) -> None:
    async def look(letter: RenderedMail) -> None:
        begun = [mail for mail in mails if stored_mail(world, mail).outcome is None]
        assert [mail.id for mail in mails if mail not in begun] == [sent.id for sent in world.mailer.letters]
        await world.mailer.send(letter)

    mails = await owe_many(world, 5)
    assert await replace(world.deliver_mail, mailer=Acting(look))() == 5
    assert [stored_mail(world, mail).outcome for mail in mails] == [DeliveryOutcome.SENT] * 5


async def test_only_the_requested_mail_is_delivered(world: World) -> None:
    first, second = await owe_many(world, 2)
    assert await world.deliver_mail(only=second.id) == 1
    assert await world.deliver_mail(only=second.id) == 0
    assert stored_mail(world, first).attempts == 0


async def test_many_workers_send_each_mail_once(world: World) -> None:
    async def deliver(mail: OutboxMail | None) -> None:
        await world.deliver_mail(only=None if mail is None else mail.id, limit=3)

    mails = await owe_many(world, 20)
    async with anyio.create_task_group() as workers:
        for mail in mails:
            workers.start_soon(deliver, None)
            workers.start_soon(deliver, mail)
    assert sorted(letter.id for letter in world.mailer.letters) == sorted(mail.id for mail in mails)


async def test_a_late_worker_cannot_change_a_mail_leased_by_another(world: World) -> None:
    async def oversleep(letter: RenderedMail) -> None:
        world.clock.advance(minutes=1)
        await world.deliver_mail(only=letter.id)
        raise MailRefused("too late to say so")

    (mail,) = await owe_many(world, 1)
    await replace(world.deliver_mail, mailer=Acting(oversleep))(only=mail.id)
    assert (stored_mail(world, mail).outcome, stored_mail(world, mail).note) == (DeliveryOutcome.SENT, "")


async def test_lease_outlasts_the_mailer_and_a_crash_costs_less_than_90_seconds(world: World) -> None:
    assert world.deliver_mail.send_timeout < world.deliver_mail.lease <= timedelta(seconds=80)
