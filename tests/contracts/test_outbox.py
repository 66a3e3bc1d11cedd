"""The outbox: no mail is lost, and no mail is leased by two workers at the same time."""

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
from tests.support.store_harness import (
    LATER,
    NOW,
    Rollback,
    SpyingBlocklist,
    StoreHarness,
    new_id,
    queued_mail,
    run_concurrently,
)

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=45)


def leasing(
    harness: StoreHarness, *, now: datetime = NOW, limit: int = 10, only: UUID | None = None
) -> Callable[[], Awaitable[Sequence[OutboxMail]]]:
    async def lease() -> Sequence[OutboxMail]:
        async with harness.begin() as work:
            return await work.outbox.lease(now=now, hold=LEASE, limit=limit, only=only)

    return lease


async def leased(harness: StoreHarness, *, now: datetime = NOW) -> OutboxMail:
    (mail,) = await leasing(harness, now=now, limit=1)()
    return mail


async def settle(harness: StoreHarness, mail: OutboxMail, outcome: DeliveryOutcome, note: str = "") -> None:
    async with harness.begin() as work:
        await work.outbox.record_outcome(mail, outcome, now=LATER, note=note)


async def postpone(harness: StoreHarness, mail: OutboxMail, until: datetime, note: str = "") -> None:
    async with harness.begin() as work:
        await work.outbox.postpone(mail, wait=timedelta(), now=until, note=note)


async def parked(harness: StoreHarness, limit: int = 10) -> list[OutboxMail]:
    async with harness.begin() as work:
        return list(await work.outbox.parked(limit=limit))


# -- queueing and leasing ---------------------------------------------------------------------------------


async def test_leased_mail_is_the_queued_one_with_another_due_time(harness: StoreHarness) -> None:
    client_info = ClientInfo(ip="2001:db8::1", user_agent="Firefox/140.0 \u00fc")
    mail = OutboxMail.queued(
        MailKind.RESET, "ada@example.org", id=new_id(), now=NOW, user_id=new_id(), client_info=client_info
    )
    async with harness.begin() as work:
        await work.outbox.add(mail)
    assert await leasing(harness)() == [replace(mail, due_at=NOW + LEASE, attempts=1)]


async def test_workers_are_notified_after_the_commit(harness: StoreHarness) -> None:
    first, second = queued_mail(), queued_mail()
    async with harness.begin() as work:
        await work.outbox.add(first)
        await work.outbox.add(second)
        assert harness.nudged == []
    assert harness.nudged == [first.id, second.id]


async def test_mail_is_not_leased_before_it_is_due(harness: StoreHarness) -> None:
    mail = await harness.mail(due_at=LATER)
    assert await leasing(harness, now=LATER - timedelta(microseconds=1))() == []
    assert [leased_mail.id for leased_mail in await leasing(harness, now=LATER)()] == [mail.id]


async def test_most_overdue_mail_is_leased_first(harness: StoreHarness) -> None:
    late, early, latest = [await harness.mail(due_at=NOW + timedelta(seconds=second)) for second in (2, 1, 3)]
    batches = [[mail.id for mail in await leasing(harness, now=LATER, limit=limit)()] for limit in (1, 1, 5)]
    assert batches == [[early.id], [late.id], [latest.id]]


def mail_from(kind: MailKind, ip: str, *, at: datetime = NOW) -> OutboxMail:
    return OutboxMail.queued(kind, "ada@example.org", id=new_id(), now=at, client_info=ClientInfo(ip=ip))


async def queue(harness: StoreHarness, *mails: OutboxMail) -> None:
    for mail in mails:
        async with harness.begin() as work:
            await work.outbox.add(mail)


async def order(harness: StoreHarness, mails: int) -> list[UUID]:
    """The ids in the order of leasing, one at a time, once all are due."""
    return [(await leased(harness, now=NOW + timedelta(hours=3))).id for _ in range(mails)]


async def test_network_with_many_mails_lets_others_go_first(harness: StoreHarness) -> None:
    crowd = [mail_from(MailKind.RESET, f"2001:db8:0:{number:x}::1") for number in range(30)]
    others = [
        mail_from(MailKind.RESET, f"198.51.100.{number}", at=NOW + timedelta(seconds=2.5)) for number in range(3)
    ]
    await queue(harness, *crowd, *others)
    assert await order(harness, 33) == [mail.id for mail in (*crowd[:3], *others, *crowd[3:])]


async def test_requested_mails_are_sent_before_notices(harness: StoreHarness) -> None:
    notices = [mail_from(kind, "203.0.113.7") for kind in MailKind if not kind.is_awaited]
    awaited = [mail_from(kind, "203.0.113.7", at=NOW + timedelta(minutes=30)) for kind in MailKind if kind.is_awaited]
    await queue(harness, *notices, *awaited)
    kinds = await order(harness, len(MailKind))
    assert kinds == [mail.id for mail in (*awaited, *notices)]
    assert {MailKind.VERIFY, MailKind.RESET, MailKind.CONFIRM_EMAIL} <= {mail.kind for mail in awaited}
    assert {MailKind.PASSWORD_CHANGED, MailKind.SESSION_STOLEN} <= {mail.kind for mail in notices}


async def test_a_notice_does_not_wait_forever(harness: StoreHarness) -> None:
    notice = mail_from(MailKind.PASSWORD_CHANGED, "203.0.113.7")
    later = mail_from(MailKind.RESET, "198.51.100.1", at=NOW + timedelta(hours=1, seconds=1))
    await queue(harness, later, notice)
    assert await order(harness, 2) == [notice.id, later.id]


async def test_a_sent_backlog_does_not_delay_other_networks(harness: StoreHarness) -> None:
    crowd = [mail_from(MailKind.RESET, "203.0.113.7") for _ in range(5)]
    await queue(harness, *crowd)
    for mail in await leasing(harness)():
        await settle(harness, mail, DeliveryOutcome.SENT)
    again, other = (
        mail_from(MailKind.RESET, "203.0.113.7"),
        mail_from(MailKind.RESET, "198.51.100.1", at=NOW + timedelta(seconds=1)),
    )
    await queue(harness, other, again)
    assert await order(harness, 2) == [again.id, other.id]


async def test_mails_without_a_requesting_network_are_not_delayed(harness: StoreHarness) -> None:
    mails = [mail_from(MailKind.VERIFY, "", at=NOW + timedelta(microseconds=number)) for number in range(5)]
    await queue(harness, *mails, mail_from(MailKind.VERIFY, "198.51.100.1", at=NOW + timedelta(milliseconds=1)))
    assert (await order(harness, 6))[:5] == [mail.id for mail in mails]


async def test_lease_respects_its_limit(harness: StoreHarness) -> None:
    for _ in range(7):
        await harness.mail()
    assert [len(await leasing(harness, limit=3)()) for _ in range(4)] == [3, 3, 1, 0]


async def test_one_mail_can_be_leased_by_id(harness: StoreHarness) -> None:
    mail, other = await harness.mail(), await harness.mail()
    assert await leasing(harness, only=new_id())() == []
    assert [leased_mail.id for leased_mail in await leasing(harness, only=other.id)()] == [other.id]
    assert await leasing(harness, only=other.id)() == []
    assert [leased_mail.id for leased_mail in await leasing(harness)()] == [mail.id]


async def test_an_expired_lease_is_leased_again_and_counted_as_an_attempt(harness: StoreHarness) -> None:
    await harness.mail()
    first = await leased(harness)
    assert await leasing(harness, now=NOW + LEASE - timedelta(microseconds=1))() == []
    second = await leased(harness, now=NOW + LEASE)
    assert (first.attempts, second.attempts) == (1, 2)


async def test_no_two_workers_get_the_same_mail(harness: StoreHarness) -> None:
    mails = [await harness.mail() for _ in range(60)]
    batches = await run_concurrently([leasing(harness, limit=7)] * 20)
    got = [mail.id for batch in batches for mail in batch]
    assert len(set(got)) == len(got)
    while more := await leasing(harness, limit=7)():
        got += [mail.id for mail in more]
    assert sorted(got) == [mail.id for mail in mails]


async def test_of_many_workers_one_leases_a_mail(harness: StoreHarness) -> None:
    for _ in range(10):
        mail = await harness.mail()
        batches = await run_concurrently([leasing(harness, limit=1, only=mail.id)] * 10)
        assert sorted(map(len, batches)) == [0] * 9 + [1]


async def test_a_mail_of_an_earlier_release_has_no_client_info(database: Database, engine: AsyncEngine) -> None:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    harness = StoreHarness(
        store, PostgresRenewals(database), PostgresRevocationStore(database), SpyingBlocklist(), []
    )
    async with engine.begin() as connection:
        columns = "id, kind, recipient, created_at, due_at, attempts, note"
        row = {"id": new_id(), "now": NOW}
        values = "VALUES (:id, 'reset', 'ada@example.org', :now, :now, 0, '')"
        await connection.execute(sql(f"INSERT INTO mails ({columns}) {values}"), row)
    [mail] = await leasing(harness)()
    assert mail.client_info == UNKNOWN_CLIENT


async def test_worker_skips_mails_that_another_is_leasing(database: Database) -> None:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    harness = StoreHarness(
        store, PostgresRenewals(database), PostgresRevocationStore(database), SpyingBlocklist(), []
    )
    mails = [await harness.mail() for _ in range(4)]
    async with store.begin() as slow:
        held = await slow.outbox.lease(now=NOW, hold=LEASE, limit=2)
        with anyio.fail_after(5):
            others = await leasing(harness)()
            assert await leasing(harness, only=held[0].id)() == []
    assert sorted(mail.id for mail in (*held, *others)) == [mail.id for mail in mails]


# -- settling and postponing ------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", list(DeliveryOutcome))
async def test_settled_mail_is_never_leased_again(harness: StoreHarness, outcome: DeliveryOutcome) -> None:
    await harness.mail()
    await settle(harness, await leased(harness), outcome)
    assert await leasing(harness, now=NOW + timedelta(days=30))() == []


async def test_postponed_mail_is_due_at_the_new_time(harness: StoreHarness) -> None:
    await harness.mail()
    await postpone(harness, await leased(harness), LATER, "the server is busy")
    assert await leasing(harness, now=LATER - timedelta(microseconds=1))() == []
    mail = await leased(harness, now=LATER)
    assert (mail.attempts, mail.note) == (2, "the server is busy")


async def test_late_worker_changes_nothing_about_a_mail_leased_by_another(harness: StoreHarness) -> None:
    await harness.mail()
    late = await leased(harness)
    holder = await leased(harness, now=NOW + LEASE)
    await settle(harness, late, DeliveryOutcome.PARKED, "late")
    await postpone(harness, late, NOW, "late")
    assert await parked(harness) == []
    assert await leasing(harness, now=NOW + LEASE)() == []
    again = await leased(harness, now=NOW + 2 * LEASE)
    assert again == replace(holder, due_at=NOW + 3 * LEASE, attempts=3)


async def test_late_worker_changes_nothing_about_a_settled_mail(harness: StoreHarness) -> None:
    await harness.mail()
    mail = await leased(harness)
    await settle(harness, mail, DeliveryOutcome.PARKED, "refused")
    await settle(harness, mail, DeliveryOutcome.SENT)
    await postpone(harness, mail, NOW, "late")
    assert [parked_mail.note for parked_mail in await parked(harness)] == ["refused"]


async def test_settling_an_unknown_mail_changes_nothing(harness: StoreHarness) -> None:
    await settle(harness, replace(queued_mail(), attempts=1), DeliveryOutcome.PARKED)
    await postpone(harness, replace(queued_mail(), attempts=1), NOW)
    assert await parked(harness) == await leasing(harness)() == []


async def test_concurrent_settling_and_leasing_have_one_winner(harness: StoreHarness) -> None:
    for _ in range(30):
        await harness.mail()
        holder = await leased(harness)

        async def park(holder: OutboxMail = holder) -> Sequence[OutboxMail]:
            await settle(harness, holder, DeliveryOutcome.PARKED)
            return []

        _, taken = await run_concurrently([park, leasing(harness, now=NOW + LEASE)])
        over = await parked(harness)
        assert len(taken) + len(over) == 1
        for mail in taken:
            await settle(harness, mail, DeliveryOutcome.SENT)
        for mail in over:
            async with harness.begin() as work:
                await work.outbox.redrive(mail.id, now=NOW)
            await settle(harness, await leased(harness), DeliveryOutcome.SENT)


# -- parking and redriving --------------------------------------------------------------------------------


async def test_parked_mails_are_listed_oldest_first_up_to_the_limit(harness: StoreHarness) -> None:
    mails = [await harness.mail() for _ in range(4)]
    for mail in reversed(await leasing(harness)()):
        await settle(
            harness,
            mail,
            DeliveryOutcome.DROPPED if mail.id == mails[1].id else DeliveryOutcome.PARKED,
            "no such box",
        )
    assert [mail.id for mail in await parked(harness)] == [mails[0].id, mails[2].id, mails[3].id]
    assert [(mail.id, mail.outcome, mail.note) for mail in await parked(harness, 1)] == [
        (mails[0].id, DeliveryOutcome.PARKED, "no such box")
    ]


async def test_redriven_mail_is_due_at_once_and_notified(harness: StoreHarness) -> None:
    mail = await harness.mail()
    await settle(harness, await leased(harness), DeliveryOutcome.PARKED)
    harness.nudged.clear()
    async with harness.begin() as work:
        assert await work.outbox.redrive(mail.id, now=LATER)
        assert harness.nudged == []
    assert harness.nudged == [mail.id]
    assert await parked(harness) == []
    assert (await leased(harness, now=LATER)).attempts == 1


async def test_only_a_parked_mail_is_redriven_and_only_once(harness: StoreHarness) -> None:
    fresh, sent, mail = [await harness.mail() for _ in range(3)]
    for given, outcome in zip(
        await leasing(harness)(), (None, DeliveryOutcome.SENT, DeliveryOutcome.PARKED), strict=True
    ):
        if outcome is not None:
            await settle(harness, given, outcome)
    harness.nudged.clear()

    async def redrive(mail_id: UUID = mail.id) -> bool:
        async with harness.begin() as work:
            return await work.outbox.redrive(mail_id, now=NOW)

    for other in (fresh.id, sent.id, new_id()):
        assert not await redrive(other)
    assert sorted(await run_concurrently([redrive] * 8)) == [False] * 7 + [True]
    assert harness.nudged == [mail.id]


# -- rollback ---------------------------------------------------------------------------------------------


async def test_exception_undoes_changes_to_mails_without_notification(harness: StoreHarness) -> None:
    for _ in range(4):
        await harness.mail()
    due, held, given, over = await leasing(harness)()
    await postpone(harness, due, NOW)
    await settle(harness, over, DeliveryOutcome.PARKED)
    harness.nudged.clear()
    added = queued_mail()

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.outbox.add(added)
            await work.outbox.record_outcome(held, DeliveryOutcome.SENT, now=LATER)
            await work.outbox.postpone(given, wait=timedelta(), now=NOW, note="back")
            await work.outbox.redrive(over.id, now=NOW)
            assert len(await work.outbox.lease(now=NOW, hold=LEASE, limit=9)) == 4
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    assert harness.nudged == []
    assert await parked(harness) == [replace(over, outcome=DeliveryOutcome.PARKED, settled_at=LATER)]
    assert [mail.id for mail in await leasing(harness)()] == [due.id]
    assert [mail.id for mail in await leasing(harness, now=NOW + LEASE)()] == [due.id, held.id, given.id]
