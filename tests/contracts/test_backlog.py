"""Size, lag and age of the queue in the outbox."""

from datetime import timedelta

import pytest

from adapters.memory.revocations import MemoryBlocklist
from adapters.postgres.database import Database
from adapters.postgres.outbox_backlog import Backlog, PostgresBacklog
from adapters.postgres.unit_of_work import PostgresStore
from domain.outbox import DeliveryOutcome
from domain.refusals import ErrorCode, Refusal
from tests.support.statement_recorder import StatementRecorder
from tests.support.store_harness import LATER, NOW, queued_mail, run_concurrently

pytestmark = pytest.mark.anyio

NOTHING = timedelta()
MINUTE = LATER - NOW


def backlog(database: Database, *, after: timedelta = NOTHING) -> PostgresBacklog:
    return PostgresBacklog(database, clock=lambda: NOW + after)


async def test_mails_are_pending_until_they_are_settled_and_some_are_parked(database: Database) -> None:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    assert await backlog(database, after=MINUTE).read() == Backlog(0, 0, NOTHING, NOTHING)
    async with store.begin() as work:
        for late in (0, 20, 40, 90):
            await work.outbox.add(queued_mail(due_at=NOW + timedelta(seconds=late)))
    assert await backlog(database, after=MINUTE).read() == Backlog(4, 0, MINUTE, MINUTE)
    async with store.begin() as work:
        for outcome in (DeliveryOutcome.PARKED, DeliveryOutcome.SENT):
            [mail] = await work.outbox.lease(now=LATER, hold=timedelta(), limit=1)
            await work.outbox.record_outcome(mail, outcome, now=LATER)
    assert await backlog(database, after=MINUTE).read() == Backlog(2, 1, timedelta(seconds=20), timedelta(seconds=20))
    assert await backlog(database, after=timedelta(seconds=30)).read() == Backlog(2, 1, NOTHING, NOTHING)


async def test_leased_mail_is_not_overdue(database: Database) -> None:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    async with store.begin() as work:
        await work.outbox.add(queued_mail())
        await work.outbox.lease(now=NOW, hold=LATER - NOW, limit=1)
    assert await backlog(database, after=MINUTE / 2).read() == Backlog(1, 0, NOTHING, MINUTE / 2)


async def test_postponed_mail_ages_until_it_is_settled(database: Database) -> None:
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    async with store.begin() as work:
        await work.outbox.add(queued_mail())
        [mail] = await work.outbox.lease(now=NOW, hold=LATER - NOW, limit=1)
        await work.outbox.postpone(mail, wait=timedelta(), now=LATER + MINUTE, note="busy")
    assert await backlog(database, after=2 * MINUTE).read() == Backlog(1, 0, NOTHING, 2 * MINUTE)
    async with store.begin() as work:
        await work.outbox.record_outcome(mail, DeliveryOutcome.DROPPED, now=LATER)
    assert await backlog(database, after=2 * MINUTE).read() == Backlog(0, 0, NOTHING, NOTHING)


async def test_concurrent_reads_share_one_query(database: Database) -> None:
    recorder = StatementRecorder(database)
    outbox_backlog = backlog(database)
    assert await run_concurrently([outbox_backlog.read] * 50) == [Backlog(0, 0, NOTHING, NOTHING)] * 50
    assert 0 < len(recorder.take()) <= 2


async def test_unavailable_database_is_an_outage() -> None:
    unreachable = Database("postgresql://nobody:hunter2@127.0.0.1:1/none")
    with pytest.raises(Refusal) as refused:
        await backlog(unreachable).read()
    assert refused.value.code is ErrorCode.UNAVAILABLE
    await unreachable.close()
