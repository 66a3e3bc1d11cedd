"""The outbox: no mail is lost, and none is held by two at once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import anyio
import pytest
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.revocations import MemoryBlocklist
from adapters.postgres.database import Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail
from tests.support.stage import LATER, NOW, SpyingBlocklist, Stage, Undo, at_once, new_id, owed

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=45)


def leasing(
    stage: Stage, *, now: datetime = NOW, limit: int = 10, only: UUID | None = None
) -> Callable[[], Awaitable[Sequence[OutboxMail]]]:
    async def lease() -> Sequence[OutboxMail]:
        async with stage.begin() as work:
            return await work.outbox.lease(now=now, hold=LEASE, limit=limit, only=only)

    return lease


async def leased(stage: Stage, *, now: datetime = NOW) -> OutboxMail:
    (mail,) = await leasing(stage, now=now, limit=1)()
    return mail


async def settle(stage: Stage, mail: OutboxMail, outcome: DeliveryOutcome, note: str = "") -> None:
    async with stage.begin() as work:
        await work.outbox.record_outcome(mail, outcome, now=LATER, note=note)


async def postpone(stage: Stage, mail: OutboxMail, until: datetime, note: str = "") -> None:
    async with stage.begin() as work:
        await work.outbox.postpone(mail, wait=timedelta(), now=until, note=note)


async def parked(stage: Stage, limit: int = 10) -> list[OutboxMail]:
    async with stage.begin() as work:
        return list(await work.outbox.parked(limit=limit))


# -- owing and leasing ------------------------------------------------------------------------------------


async def test_a_mail_is_leased_as_it_was_owed_but_for_when_it_is_due(stage: Stage) -> None:
    client_info = ClientInfo(ip="2001:db8::1", user_agent="Firefox/140.0 \u00fc")
    mail = OutboxMail.queued(
        MailKind.RESET, "ada@example.org", id=new_id(), now=NOW, user_id=new_id(), client_info=client_info
    )
    async with stage.begin() as work:
        await work.outbox.add(mail)
    assert await leasing(stage)() == [replace(mail, due_at=NOW + LEASE, attempts=1)]


async def test_workers_hear_of_a_mail_once_the_work_is_done_and_not_before(stage: Stage) -> None:
    first, second = owed(), owed()
    async with stage.begin() as work:
        await work.outbox.add(first)
        await work.outbox.add(second)
        assert stage.nudged == []
    assert stage.nudged == [first.id, second.id]


async def test_nothing_is_leased_before_it_is_due(stage: Stage) -> None:
    mail = await stage.mail(due_at=LATER)
    assert await leasing(stage, now=LATER - timedelta(microseconds=1))() == []
    assert [found.id for found in await leasing(stage, now=LATER)()] == [mail.id]


async def test_what_has_been_due_longest_is_leased_first(stage: Stage) -> None:
    late, early, latest = [await stage.mail(due_at=NOW + timedelta(seconds=second)) for second in (2, 1, 3)]
    batches = [[mail.id for mail in await leasing(stage, now=LATER, limit=limit)()] for limit in (1, 1, 5)]
    assert batches == [[early.id], [late.id], [latest.id]]


def asked(kind: MailKind, ip: str, *, at: datetime = NOW) -> OutboxMail:
    return OutboxMail.queued(kind, "ada@example.org", id=new_id(), now=at, client_info=ClientInfo(ip=ip))


async def owe(stage: Stage, *mails: OutboxMail) -> None:
    for mail in mails:
        async with stage.begin() as work:
            await work.outbox.add(mail)


async def order(stage: Stage, mails: int) -> list[UUID]:
    """In which they are leased, one at a time, once all are due."""
    return [(await leased(stage, now=NOW + timedelta(hours=3))).id for _ in range(mails)]


async def test_a_network_that_asks_for_many_mails_lets_those_of_others_go_first(stage: Stage) -> None:
    crowd = [asked(MailKind.RESET, f"2001:db8:0:{number:x}::1") for number in range(30)]
    others = [asked(MailKind.RESET, f"198.51.100.{number}", at=NOW + timedelta(seconds=2.5)) for number in range(3)]
    await owe(stage, *crowd, *others)
    assert await order(stage, 33) == [mail.id for mail in (*crowd[:3], *others, *crowd[3:])]


async def test_what_a_person_waits_for_is_sent_before_notices(stage: Stage) -> None:
    notices = [asked(kind, "203.0.113.7") for kind in MailKind if not kind.is_awaited]
    awaited = [asked(kind, "203.0.113.7", at=NOW + timedelta(minutes=30)) for kind in MailKind if kind.is_awaited]
    await owe(stage, *notices, *awaited)
    found = await order(stage, len(MailKind))
    assert found == [mail.id for mail in (*awaited, *notices)]
    assert {MailKind.VERIFY, MailKind.RESET, MailKind.CONFIRM_EMAIL} <= {mail.kind for mail in awaited}
    assert {MailKind.PASSWORD_CHANGED, MailKind.SESSION_STOLEN} <= {mail.kind for mail in notices}


async def test_a_notice_does_not_wait_for_ever(stage: Stage) -> None:
    notice = asked(MailKind.PASSWORD_CHANGED, "203.0.113.7")
    later = asked(MailKind.RESET, "198.51.100.1", at=NOW + timedelta(hours=1, seconds=1))
    await owe(stage, later, notice)
    assert await order(stage, 2) == [notice.id, later.id]


async def test_a_backlog_that_was_sent_no_longer_delays_other_networks(stage: Stage) -> None:
    crowd = [asked(MailKind.RESET, "203.0.113.7") for _ in range(5)]
    await owe(stage, *crowd)
    for mail in await leasing(stage)():
        await settle(stage, mail, DeliveryOutcome.SENT)
    again, other = (
        asked(MailKind.RESET, "203.0.113.7"),
        asked(MailKind.RESET, "198.51.100.1", at=NOW + timedelta(seconds=1)),
    )
    await owe(stage, other, again)
    assert await order(stage, 2) == [again.id, other.id]


async def test_mails_without_a_requesting_network_are_not_delayed(stage: Stage) -> None:
    mails = [asked(MailKind.VERIFY, "", at=NOW + timedelta(microseconds=number)) for number in range(5)]
    await owe(stage, *mails, asked(MailKind.VERIFY, "198.51.100.1", at=NOW + timedelta(milliseconds=1)))
    assert (await order(stage, 6))[:5] == [mail.id for mail in mails]


async def test_a_worker_gets_no_more_than_it_asked_for(stage: Stage) -> None:
    for _ in range(7):
        await stage.mail()
    assert [len(await leasing(stage, limit=3)()) for _ in range(4)] == [3, 3, 1, 0]


async def test_one_mail_can_be_asked_for(stage: Stage) -> None:
    mail, other = await stage.mail(), await stage.mail()
    assert await leasing(stage, only=new_id())() == []
    assert [found.id for found in await leasing(stage, only=other.id)()] == [other.id]
    assert await leasing(stage, only=other.id)() == []
    assert [found.id for found in await leasing(stage)()] == [mail.id]


async def test_a_lease_that_has_lapsed_is_leased_again_and_counted(stage: Stage) -> None:
    await stage.mail()
    first = await leased(stage)
    assert await leasing(stage, now=NOW + LEASE - timedelta(microseconds=1))() == []
    second = await leased(stage, now=NOW + LEASE)
    assert (first.attempts, second.attempts) == (1, 2)


async def test_no_two_workers_get_the_same_mail(stage: Stage) -> None:
    mails = [await stage.mail() for _ in range(60)]
    batches = await at_once([leasing(stage, limit=7)] * 20)
    got = [mail.id for batch in batches for mail in batch]
    assert len(set(got)) == len(got)
    while more := await leasing(stage, limit=7)():
        got += [mail.id for mail in more]
    assert sorted(got) == [mail.id for mail in mails]


async def test_of_many_workers_that_heard_of_one_mail_one_gets_it(stage: Stage) -> None:
    for _ in range(10):
        mail = await stage.mail()
        batches = await at_once([leasing(stage, limit=1, only=mail.id)] * 10)
        assert sorted(map(len, batches)) == [0] * 9 + [1]


async def test_mail_of_an_earlier_release_tells_no_place(database: Database, engine: AsyncEngine) -> None:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    stage = Stage(store, PostgresRenewals(database), PostgresRevocationStore(database), SpyingBlocklist(), [])
    async with engine.begin() as connection:
        columns = "id, kind, recipient, created_at, due_at, attempts, note"
        row = {"id": new_id(), "now": NOW}
        values = "VALUES (:id, 'reset', 'ada@example.org', :now, :now, 0, '')"
        await connection.execute(sql(f"INSERT INTO mails ({columns}) {values}"), row)
    [mail] = await leasing(stage)()
    assert mail.client_info == UNKNOWN_CLIENT


async def test_a_worker_does_not_wait_for_what_another_is_taking(database: Database) -> None:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    stage = Stage(store, PostgresRenewals(database), PostgresRevocationStore(database), SpyingBlocklist(), [])
    mails = [await stage.mail() for _ in range(4)]
    async with store.begin() as slow:
        held = await slow.outbox.lease(now=NOW, hold=LEASE, limit=2)
        with anyio.fail_after(5):
            others = await leasing(stage)()
            assert await leasing(stage, only=held[0].id)() == []
    assert sorted(mail.id for mail in (*held, *others)) == [mail.id for mail in mails]


# -- settling and postponing ------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", list(DeliveryOutcome))
async def test_a_settled_mail_is_never_leased_again(stage: Stage, outcome: DeliveryOutcome) -> None:
    await stage.mail()
    await settle(stage, await leased(stage), outcome)
    assert await leasing(stage, now=NOW + timedelta(days=30))() == []


async def test_a_postponed_mail_is_due_when_it_was_postponed_to(stage: Stage) -> None:
    await stage.mail()
    await postpone(stage, await leased(stage), LATER, "the server is busy")
    assert await leasing(stage, now=LATER - timedelta(microseconds=1))() == []
    mail = await leased(stage, now=LATER)
    assert (mail.attempts, mail.note) == (2, "the server is busy")


async def test_a_late_worker_changes_nothing_about_a_mail_that_another_has_taken(stage: Stage) -> None:
    await stage.mail()
    late = await leased(stage)
    holder = await leased(stage, now=NOW + LEASE)
    await settle(stage, late, DeliveryOutcome.PARKED, "late")
    await postpone(stage, late, NOW, "late")
    assert await parked(stage) == []
    assert await leasing(stage, now=NOW + LEASE)() == []
    again = await leased(stage, now=NOW + 2 * LEASE)
    assert again == replace(holder, due_at=NOW + 3 * LEASE, attempts=3)


async def test_a_late_worker_changes_nothing_about_a_mail_that_is_settled(stage: Stage) -> None:
    await stage.mail()
    mail = await leased(stage)
    await settle(stage, mail, DeliveryOutcome.PARKED, "refused")
    await settle(stage, mail, DeliveryOutcome.SENT)
    await postpone(stage, mail, NOW, "late")
    assert [found.note for found in await parked(stage)] == ["refused"]


async def test_settling_what_was_never_owed_changes_nothing(stage: Stage) -> None:
    await settle(stage, replace(owed(), attempts=1), DeliveryOutcome.PARKED)
    await postpone(stage, replace(owed(), attempts=1), NOW)
    assert await parked(stage) == await leasing(stage)() == []


async def test_whoever_settles_and_whoever_takes_over_at_once_never_both_have_it(stage: Stage) -> None:
    for _ in range(30):
        await stage.mail()
        holder = await leased(stage)

        async def park(holder: OutboxMail = holder) -> Sequence[OutboxMail]:
            await settle(stage, holder, DeliveryOutcome.PARKED)
            return []

        _, taken = await at_once([park, leasing(stage, now=NOW + LEASE)])
        over = await parked(stage)
        assert len(taken) + len(over) == 1
        for mail in taken:
            await settle(stage, mail, DeliveryOutcome.SENT)
        for mail in over:
            async with stage.begin() as work:
                await work.outbox.redrive(mail.id, now=NOW)
            await settle(stage, await leased(stage), DeliveryOutcome.SENT)


# -- parking and redriving --------------------------------------------------------------------------------


async def test_parked_mails_are_listed_oldest_first_and_no_more_than_asked_for(stage: Stage) -> None:
    mails = [await stage.mail() for _ in range(4)]
    for mail in reversed(await leasing(stage)()):
        await settle(
            stage, mail, DeliveryOutcome.DROPPED if mail.id == mails[1].id else DeliveryOutcome.PARKED, "no such box"
        )
    assert [mail.id for mail in await parked(stage)] == [mails[0].id, mails[2].id, mails[3].id]
    assert [(mail.id, mail.outcome, mail.note) for mail in await parked(stage, 1)] == [
        (mails[0].id, DeliveryOutcome.PARKED, "no such box")
    ]


async def test_a_redriven_mail_is_due_as_if_it_were_new_and_workers_hear_of_it(stage: Stage) -> None:
    mail = await stage.mail()
    await settle(stage, await leased(stage), DeliveryOutcome.PARKED)
    stage.nudged.clear()
    async with stage.begin() as work:
        assert await work.outbox.redrive(mail.id, now=LATER)
        assert stage.nudged == []
    assert stage.nudged == [mail.id]
    assert await parked(stage) == []
    assert (await leased(stage, now=LATER)).attempts == 1


async def test_only_a_parked_mail_is_redriven_and_only_once(stage: Stage) -> None:
    fresh, sent, mail = [await stage.mail() for _ in range(3)]
    for given, outcome in zip(
        await leasing(stage)(), (None, DeliveryOutcome.SENT, DeliveryOutcome.PARKED), strict=True
    ):
        if outcome is not None:
            await settle(stage, given, outcome)
    stage.nudged.clear()

    async def redrive(mail_id: UUID = mail.id) -> bool:
        async with stage.begin() as work:
            return await work.outbox.redrive(mail_id, now=NOW)

    for other in (fresh.id, sent.id, new_id()):
        assert not await redrive(other)
    assert sorted(await at_once([redrive] * 8)) == [False] * 7 + [True]
    assert stage.nudged == [mail.id]


# -- undoing ----------------------------------------------------------------------------------------------


async def test_an_exception_undoes_every_change_to_mails_and_nobody_is_nudged(stage: Stage) -> None:
    for _ in range(4):
        await stage.mail()
    due, held, given, over = await leasing(stage)()
    await postpone(stage, due, NOW)
    await settle(stage, over, DeliveryOutcome.PARKED)
    stage.nudged.clear()
    added = owed()

    async def spoilt() -> None:
        async with stage.begin() as work:
            await work.outbox.add(added)
            await work.outbox.record_outcome(held, DeliveryOutcome.SENT, now=LATER)
            await work.outbox.postpone(given, wait=timedelta(), now=NOW, note="back")
            await work.outbox.redrive(over.id, now=NOW)
            assert len(await work.outbox.lease(now=NOW, hold=LEASE, limit=9)) == 4
            raise Undo

    with pytest.raises(Undo):
        await spoilt()
    assert stage.nudged == []
    assert await parked(stage) == [replace(over, outcome=DeliveryOutcome.PARKED, settled_at=LATER)]
    assert [mail.id for mail in await leasing(stage)()] == [due.id]
    assert [mail.id for mail in await leasing(stage, now=NOW + LEASE)()] == [due.id, held.id, given.id]
