"""Events and clients are stored unchanged and in order, and roll back with their unit of work."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.database import Database
from adapters.postgres.unit_of_work import PostgresStore
from domain.audit import AuditEvent, EventType
from domain.client import Client
from domain.client_info import ClientInfo
from tests.support.store_harness import NOW, Rollback, SpyingBlocklist, StoreHarness, new_id

pytestmark = pytest.mark.anyio

HERE = ClientInfo(ip="2001:db8::1", user_agent="ünïcode \U0001f511")


def event(user_id: UUID | None = None, *, action: EventType = EventType.LOGGED_IN) -> AuditEvent:
    subject = user_id or new_id()
    return AuditEvent.of(
        action, subject, id=new_id(), now=NOW, by=new_id(), client_info=HERE, detail="from member to admin"
    )


def client(name: str = "billing") -> Client:
    return Client(id=new_id(), name=name, secret_digest=bytes(range(32)), created_at=NOW)


@pytest.mark.parametrize("action", EventType)
async def test_event_is_stored_unchanged(harness: StoreHarness, action: EventType) -> None:
    stored_event = event(action=action)
    async with harness.begin() as work:
        await work.events.add(stored_event)
    async with harness.begin() as work:
        assert list(await work.events.page(stored_event.user_id, limit=9, after=None)) == [stored_event]


async def test_events_of_a_newer_release_are_omitted(database: Database, engine: AsyncEngine) -> None:
    store = PostgresStore(database, blocklist=SpyingBlocklist(), nudge=lambda _: None)
    user_id = new_id()
    known = [event(user_id), event(user_id)]
    async with store.begin() as work:
        await work.events.add(known[0], event(user_id), known[1])
    async with engine.begin() as connection:
        unknown = {"user": user_id, "first": known[0].id, "last": known[1].id}
        changed = "UPDATE events SET action = 'of tomorrow' WHERE user_id = :user AND id NOT IN (:first, :last)"
        assert (await connection.execute(text(changed), unknown)).rowcount == 1
    async with store.begin() as work:
        assert list(await work.events.page(user_id, limit=2, after=None)) == known[::-1]


async def test_clients_of_earlier_logins_are_found_once(harness: StoreHarness) -> None:
    user_id, there = new_id(), ClientInfo(ip="192.0.2.7")
    oldest, *later = [replace(event(user_id), client_info=client_info) for client_info in (there, HERE, HERE, HERE)]
    logout = replace(event(user_id, action=EventType.LOGGED_OUT), client_info=ClientInfo(ip="192.0.2.8"))
    newest = replace(event(user_id), client_info=ClientInfo(ip="192.0.2.9"))
    async with harness.begin() as work:
        await work.events.add(oldest, *later, logout, newest, event())
    async with harness.begin() as work:
        for limit, expected in ((5, [there, HERE]), (4, [HERE]), (1, [])):
            found = await work.events.login_clients(user_id, before=newest.id, limit=limit)
            assert sorted(found, key=repr) == sorted(expected, key=repr)
        assert list(await work.events.login_clients(user_id, before=oldest.id, limit=5)) == []


async def test_events_of_one_user_are_paged_newest_first(harness: StoreHarness) -> None:
    user_id = new_id()
    events = [event(user_id) for _ in range(5)]
    async with harness.begin() as work:
        for one in (*reversed(events), event(), event()):
            await work.events.add(one)
    newest_first = events[::-1]
    async with harness.begin() as work:
        assert list(await work.events.page(user_id, limit=9, after=None)) == newest_first
        assert list(await work.events.page(user_id, limit=2, after=None)) == newest_first[:2]
        assert list(await work.events.page(user_id, limit=2, after=newest_first[1].id)) == newest_first[2:4]
        assert list(await work.events.page(user_id, limit=2, after=newest_first[4].id)) == []
        assert list(await work.events.page(new_id(), limit=2, after=None)) == []


async def test_rolled_back_work_stores_no_event(harness: StoreHarness) -> None:
    new_event, new_client = event(), client()

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.events.add(new_event)
            await work.clients.add(new_client)
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    async with harness.begin() as work:
        assert list(await work.events.page(new_event.user_id, limit=9, after=None)) == []
        assert list(await work.clients.all()) == []


async def test_clients_are_added_found_listed_and_removed(harness: StoreHarness) -> None:
    one, other = client(), client("search")
    async with harness.begin() as work:
        await work.clients.add(one)
        await work.clients.add(other)
    async with harness.begin() as work:
        assert await work.clients.by_id(one.id) == one
        assert list(await work.clients.all()) == [one, other]
        assert await work.clients.remove(one.id)
        assert not await work.clients.remove(one.id)
        assert await work.clients.by_id(one.id) is None
    assert "secret" not in repr(one).replace("secret_digest", "")
