"""Rows that 0.2.0 inserts on this schema have no provenance; an event records it."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.revocations import MemoryBlocklist
from adapters.postgres import expired_rows
from adapters.postgres.database import Database
from adapters.postgres.expired_rows import PostgresExpiredRows
from adapters.postgres.tables import events, users
from adapters.postgres.unit_of_work import PostgresStore
from adapters.uuid7 import lowest
from domain.audit import EventType
from domain.retention import PurgeResult, RetentionCategory
from domain.user import Provenance
from tests.support.store_harness import NOW, new_id

pytestmark = pytest.mark.anyio

LONG_AGO = NOW - timedelta(days=300)
ROWS = {
    EventType.REGISTERED: (Provenance.SELF, None),
    EventType.CREATED: (Provenance.OPERATOR, None),
    EventType.IMPORTED: (Provenance.IMPORT, LONG_AGO),
}


@pytest.fixture
def store(database: Database) -> PostgresStore:
    return PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)


async def inserted_by_old_release(engine: AsyncEngine, action: EventType) -> UUID:
    user_id = UUID(int=lowest(LONG_AGO).int + new_id().int)
    row = {"id": user_id, "email": f"{action}@example.org", "password_hash": "hash", "created_at": LONG_AGO}
    event = {"user_id": user_id, "created_at": LONG_AGO, "ip": "", "user_agent": "", "detail": ""}
    async with engine.begin() as connection:
        await connection.execute(insert(users).values(row))
        for what in (EventType.LOGGED_IN, action, EventType.LOGGED_OUT):
            await connection.execute(insert(events).values({**event, "id": new_id(), "action": what.value}))
    return user_id


async def recorded(engine: AsyncEngine, user_id: UUID) -> tuple[str | None, object]:
    async with engine.connect() as connection:
        columns = select(users.c.provenance, users.c.imported_at).where(users.c.id == user_id)
        provenance, imported_at = (await connection.execute(columns)).one()
        return provenance, imported_at


@pytest.mark.parametrize("action", ROWS)
async def test_verification_records_the_provenance(
    store: PostgresStore, engine: AsyncEngine, action: EventType
) -> None:
    user_id = await inserted_by_old_release(engine, action)
    assert await recorded(engine, user_id) == (None, None)
    async with store.begin() as work:
        proof = await work.users.verify_email(user_id, credential_version=1, now=NOW)
    assert proof is not None
    assert (proof.user.provenance, proof.user.imported_at) == ROWS[action]
    assert await recorded(engine, user_id) == ROWS[action]


async def test_import_recognizes_imported_users(store: PostgresStore, engine: AsyncEngine) -> None:
    for action in ROWS:
        await inserted_by_old_release(engine, action)
    async with store.begin() as work:
        owners = await work.users.owners_of([f"{action}@example.org" for action in ROWS])
    assert [(user.email, user.imported_at) for user in owners.values()] == [("imported@example.org", LONG_AGO)]


async def test_purge_records_the_provenance_before_it_removes(engine: AsyncEngine, database: Database) -> None:
    ids = {action: await inserted_by_old_release(engine, action) for action in ROWS}
    purged = await PostgresExpiredRows(database).purge(
        RetentionCategory.UNVERIFIED_USER, now=NOW, after=None, limit=100
    )
    assert purged.removed == 1  # the registration
    for action, user_id in ids.items():
        assert await recorded(engine, user_id) == ROWS[action]


async def test_purge_records_batch_after_batch_before_it_removes(engine: AsyncEngine, database: Database) -> None:
    ids = [await inserted_by_old_release(engine, action) for action in ROWS]
    expired_rows, start = PostgresExpiredRows(database), UUID(int=0)
    after, purged = None, []
    for _ in range(4):
        purged.append(await expired_rows.purge(RetentionCategory.UNVERIFIED_USER, now=NOW, after=after, limit=1))
        after = purged[-1].last
    assert purged == [*[PurgeResult(0, start)] * 3, PurgeResult(1, ids[0])]


async def test_purge_spares_users_of_unknown_provenance(
    engine: AsyncEngine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def record_nothing(*_: object, **__: object) -> bool:
        return False

    monkeypatch.setattr(expired_rows, "fill_in", record_nothing)
    for action in ROWS:
        await inserted_by_old_release(engine, action)
    purged = await PostgresExpiredRows(database).purge(
        RetentionCategory.UNVERIFIED_USER, now=NOW, after=None, limit=100
    )
    assert purged.removed == 0


async def test_purge_records_a_locked_user_once_it_is_free(engine: AsyncEngine, database: Database) -> None:
    user_id = await inserted_by_old_release(engine, EventType.IMPORTED)
    async with engine.begin() as other:
        await other.execute(select(users).where(users.c.id == user_id).with_for_update())
        purged = await PostgresExpiredRows(database).purge(
            RetentionCategory.UNVERIFIED_USER, now=NOW, after=None, limit=100
        )
        assert purged.removed == 0
    assert await recorded(engine, user_id) == (None, None)
    purged = await PostgresExpiredRows(database).purge(
        RetentionCategory.UNVERIFIED_USER, now=NOW, after=None, limit=100
    )
    assert (purged.removed, await recorded(engine, user_id)) == (0, ROWS[EventType.IMPORTED])
