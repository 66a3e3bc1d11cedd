"""Deleted users: hidden at once, restorable until the deadline, and purged in batches."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.database import Database
from adapters.postgres.expired_rows import PostgresExpiredRows
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from application.ports import ExpiredRows
from domain.audit import AuditEvent, EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email_change import EmailChange
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail
from domain.retention import RetentionCategory
from domain.role import Role
from domain.session import ENDED, EndReason
from domain.user import NO_PASSWORD, User
from tests.support.store_harness import LATER, NOW, Rollback, SpyingBlocklist, StoreHarness, new_id, run_concurrently

pytestmark = pytest.mark.anyio

WEEK = timedelta(days=7)
UNTIL = NOW + WEEK
THERE = ClientInfo(ip="203.0.113.7", user_agent="Lynx")
ADA = "ada@example.org"


async def remove(harness: StoreHarness, user: User, *, undoable: bool = True) -> None:
    async with harness.begin() as work:
        await work.sessions.end_all(user.id, now=NOW, reason=EndReason.DELETED)
        assert await work.users.remove(user.id, now=NOW, until=UNTIL if undoable else None)


async def restored_user(harness: StoreHarness, user: User, *, email: str = ADA) -> User | None:
    async with harness.begin() as work:
        await work.users.lock(user.id, email=email)
        return await work.users.restore(user.id, email=email, now=LATER)


async def purge(expired_rows: ExpiredRows, *, limit: int = 1000) -> list[int]:
    """The number of rows that each batch removed."""
    changed, after = [], None
    while True:
        found = await expired_rows.purge(RetentionCategory.DELETED_USER, now=NOW + WEEK, after=after, limit=limit)
        changed.append(found.removed)
        after = found.last
        if after is None:
            return changed


# -- deletion ---------------------------------------------------------------------------------------------


async def test_no_query_finds_a_deleted_user(harness: StoreHarness) -> None:
    user = await harness.user(username="ada", role=Role.ADMIN)
    await remove(harness, user)
    async with harness.begin() as work:
        assert await work.users.by_id(user.id) is None
        assert await work.users.by_email(ADA) is None
        assert await work.users.by_emails([ADA]) == {}
        assert await work.users.by_username("ada") is None
        assert await work.users.count_unverified(ADA) == 0
        assert list(await work.users.lock(user.id, email=ADA, with_admins=True)) == []
        assert list(await work.users.active_admin_ids()) == []
        assert await work.users.owners_of([ADA]) == {}
        for query, role in (("", None), ("a", None), ("", Role.ADMIN), ("", Role.MEMBER)):
            assert list(await work.users.page(query=query, role=role, limit=9, after=None)) == []


async def test_deleted_user_cannot_be_changed(harness: StoreHarness) -> None:
    user = await harness.user(username="ada")
    await remove(harness, user)
    async with harness.begin() as work:
        version = user.credential_version
        assert await work.users.verify_email(user.id, credential_version=version + 1, now=LATER) is None
        assert await work.users.set_role(user.id, Role.ADMIN) is None
        assert await work.users.set_disabled(user.id, False, now=LATER) is None
        assert await work.users.rename(user.id, "else") is None
        assert await work.users.change_email(user.id, "new@example.org", over=[], now=LATER) is None
        assert await work.users.evict_from_email(user.id, to="new@example.org") is None
        assert await work.users.replace_password(user.id, "new", credential_version=version) is None
        assert not await work.users.remove(user.id, now=LATER)
        await work.users.record_reset_links({user.id: LATER})
        await work.users.rehash(user.id, old=NO_PASSWORD, new="new")
    assert await harness.load_user(user.id) is None
    restored = await restored_user(harness, user)
    assert restored is not None
    assert (restored.password_hash, restored.username, restored.role) == (NO_PASSWORD, "ada", Role.MEMBER)


async def test_address_and_username_of_a_deleted_user_can_be_reused(harness: StoreHarness) -> None:
    user = await harness.user(username="ada")
    await remove(harness, user)
    other = await harness.user(username="Ada")
    assert (other.verified, other.username) == (True, "Ada")


async def test_a_rollback_undoes_a_deletion_and_a_restore(harness: StoreHarness) -> None:
    user = await harness.user()

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.users.remove(user.id, now=NOW, until=UNTIL)
            raise Rollback

    async def roll_back_restore() -> None:
        async with harness.begin() as work:
            await work.users.restore(user.id, email=ADA, now=LATER)
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    assert await harness.load_user(user.id) == user
    await remove(harness, user)
    with pytest.raises(Rollback):
        await roll_back_restore()
    assert await harness.load_user(user.id) is None
    assert await restored_user(harness, user) is not None


# -- restoring --------------------------------------------------------------------------------------------


async def test_deletion_stores_what_undoing_needs(harness: StoreHarness) -> None:
    proven, claim = await harness.user(), await harness.user("bob@example.org", proven=False)
    await remove(harness, proven)
    await remove(harness, claim, undoable=False)
    async with harness.begin() as work:
        undoable, final = await work.users.deletion(proven.id), await work.users.deletion(claim.id)
        assert undoable is not None
        assert final is not None
        assert (undoable.email, undoable.until, undoable.deleted_at) == (ADA, UNTIL, NOW)
        assert undoable.version == proven.credential_version + 1
        assert (final.email, final.until) == (None, None)
        assert await work.users.deletion(new_id()) is None


async def test_restored_user_is_unverified_without_a_password_and_keeps_history(harness: StoreHarness) -> None:
    user = await harness.user(username="ada", role=Role.MODERATOR)
    session = await harness.session(user)
    await remove(harness, user)
    restored = await restored_user(harness, user)
    deleted_user = user.recovered(NO_PASSWORD)
    assert restored == replace(deleted_user, verified=False)
    assert await harness.load_user(user.id) == restored
    assert (await harness.load_session(session.id)).user_id == user.id
    async with harness.begin() as work:
        assert await work.users.deletion(user.id) is None
        assert await work.users.change_email(user.id, ADA, over=[], now=LATER) is not None


async def test_an_expired_or_final_deletion_cannot_be_undone(harness: StoreHarness) -> None:
    final, late = await harness.user(), await harness.user("bob@example.org")
    await remove(harness, final, undoable=False)
    await remove(harness, late)
    async with harness.begin() as work:
        assert await work.users.restore(final.id, email=ADA, now=NOW) is None
        assert await work.users.restore(late.id, email=late.email, now=UNTIL) is None
        assert await work.users.restore(new_id(), email=ADA, now=NOW) is None


async def test_of_many_concurrent_undos_one_succeeds(harness: StoreHarness) -> None:
    user = await harness.user()
    await remove(harness, user)
    results = await run_concurrently([lambda: restored_user(harness, user)] * 10)
    assert len([one for one in results if one is not None]) == 1


async def test_concurrent_undo_and_verification_leave_one_owner(harness: StoreHarness) -> None:
    for number in range(20):
        address = f"contested{number}@example.org"
        user = await harness.user(address)
        await remove(harness, user)
        newcomer = await harness.user(address, proven=False)

        async def undo(user: User = user, address: str = address) -> bool:
            async with harness.begin() as work:
                people = await work.users.lock(user.id, email=address)
                if await work.users.restore(user.id, email=address, now=LATER) is None:
                    return False
                if await work.users.change_email(user.id, address, over=people, now=LATER) is None:
                    raise Rollback
                return True

        async def undone() -> bool:
            try:
                return await undo()
            except Rollback:
                return False

        async def verify(newcomer: User = newcomer) -> bool:
            async with harness.begin() as work:
                return await work.users.verify_email(newcomer.id, credential_version=1, now=LATER) is not None

        assert sorted(await run_concurrently([undone, verify])) == [False, True]
        async with harness.begin() as work:
            holder = await work.users.by_email(address)
        assert holder is not None
        assert holder.verified


# -- purge ------------------------------------------------------------------------------------------------


async def add_history(harness: StoreHarness, user: User, *, times: int) -> None:
    async with harness.begin() as work:
        for _ in range(times):
            action = EventType.LOGGED_IN
            await work.events.add(AuditEvent.of(action, user.id, id=new_id(), now=NOW, by=user.id, client_info=THERE))
            mail = OutboxMail.queued(MailKind.RESET, user.email, id=new_id(), now=NOW)
            await work.outbox.add(mail)
            [leased] = await work.outbox.lease(now=NOW, hold=WEEK, limit=1, only=mail.id)
            await work.outbox.record_outcome(leased, DeliveryOutcome.PARKED, now=NOW)
    for _ in range(times):
        await harness.session(user)


async def remaining_of(harness: StoreHarness, user: User) -> tuple[int, int, int]:
    """The number of sessions, of events with client info, and of parked mails."""
    async with harness.begin() as work:
        sessions = await work.sessions.page(user.id, limit=999, after=None)
        events = await work.events.page(user.id, limit=999, after=None)
        parked = [mail for mail in await work.outbox.parked(limit=999) if mail.recipient == user.email]
    return len(sessions), len([event for event in events if event.client_info != UNKNOWN_CLIENT]), len(parked)


@pytest.mark.parametrize("limit", [1, 3, 4, 1000])
async def test_the_history_of_a_deleted_user_is_purged_in_batches(
    harness: StoreHarness, expired_rows: ExpiredRows, limit: int
) -> None:
    bob = await harness.user("bob@example.org")
    await add_history(harness, bob, times=2)
    user = await harness.user()
    await add_history(harness, user, times=7)
    await remove(harness, user, undoable=False)
    batches = await purge(expired_rows, limit=limit)
    assert max(batches) <= 3 * limit + 1
    assert len(batches) >= 7 // limit
    assert await remaining_of(harness, user) == (0, 0, 0)
    assert await remaining_of(harness, bob) == (2, 2, 2)
    async with harness.begin() as work:
        assert len(await work.events.page(user.id, limit=99, after=None)) == 14
        assert await work.users.deletion(user.id) is None
    assert await purge(expired_rows) == [0]


async def test_deletion_that_can_be_undone_is_not_purged(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    user = await harness.user()
    await add_history(harness, user, times=2)
    await remove(harness, user)
    result = await expired_rows.purge(
        RetentionCategory.DELETED_USER, now=UNTIL - timedelta(seconds=1), after=None, limit=99
    )
    assert (result.removed, result.last) == (0, None)
    assert await remaining_of(harness, user) == (2, 2, 2)
    assert await restored_user(harness, user) is not None


async def test_ip_address_of_the_deleting_admin_stays(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    user = await harness.user()
    admin = AuditEvent.of(EventType.DELETED, user.id, id=new_id(), now=NOW, by=new_id(), client_info=THERE)
    async with harness.begin() as work:
        await work.users.remove(user.id, now=NOW)
        await work.events.add(admin)
    await purge(expired_rows)
    async with harness.begin() as work:
        assert list(await work.events.page(user.id, limit=9, after=None)) == [admin]


async def test_mails_to_the_next_owner_and_queued_mails_stay(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    user = await harness.user()
    await remove(harness, user, undoable=False)
    async with harness.begin() as work:
        pending_mail = OutboxMail.queued(MailKind.ACCOUNT_DELETED, ADA, id=new_id(), now=NOW, user_id=user.id)
        later = OutboxMail.queued(MailKind.RESET, ADA, id=new_id(), now=LATER)
        for mail in (pending_mail, later):
            await work.outbox.add(mail)
        [leased] = await work.outbox.lease(now=LATER, hold=WEEK, limit=1, only=later.id)
        await work.outbox.record_outcome(leased, DeliveryOutcome.PARKED, now=LATER)
    await purge(expired_rows)
    async with harness.begin() as work:
        assert [mail.id for mail in await work.outbox.parked(limit=9)] == [later.id]
        assert [mail.id for mail in await work.outbox.lease(now=LATER, hold=WEEK, limit=9)] == [pending_mail.id]


async def test_email_changes_are_purged_with_their_user(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    user, bob = await harness.user(), await harness.user("bob@example.org")
    changes = [
        EmailChange(
            id=new_id(),
            user_id=one.id,
            old_email=one.email,
            new_email="new@example.org",
            credential_version=1,
            asked_at=NOW,
        )
        for one in (user, bob)
    ]
    async with harness.begin() as work:
        for change in changes:
            await work.email_changes.add(change)
    await remove(harness, user, undoable=False)
    await purge(expired_rows)
    async with harness.begin() as work:
        assert [await work.email_changes.by_id(change.id) for change in changes] == [None, changes[1]]


async def test_concurrent_purges_do_not_block_each_other(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    users = [await harness.user(f"user{number}@example.org") for number in range(5)]
    for user in users:
        await add_history(harness, user, times=3)
        await remove(harness, user, undoable=False)
    await run_concurrently([lambda: purge(expired_rows, limit=2)] * 4)
    await purge(expired_rows)
    assert [await remaining_of(harness, user) for user in users] == [(0, 0, 0)] * 5


LONG = (
    "INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail) SELECT gen_random_uuid(),"
    " 'logged_in', :user, :now, '203.0.113.7', 'Lynx', '' FROM generate_series(1, 10000)",
    "INSERT INTO sessions (id, user_id, generation, floor, created_at, rotated_at, expires_at, ended_at, user_agent,"
    " ip) SELECT gen_random_uuid(), :user, 1, 0, :now, :now, :now, :now, 'Lynx', '203.0.113.7'"
    " FROM generate_series(1, 5000)",
)


async def test_long_history_is_hidden_at_once_and_purged_in_batches(database: Database, engine: AsyncEngine) -> None:
    """A deletion changes none of the 100,000 events and 50,000 ended sessions; the purge does."""
    blocklist = SpyingBlocklist()
    store = PostgresStore(database, blocklist=blocklist, nudge=lambda _: None)
    harness = StoreHarness(store, PostgresRenewals(database), PostgresRevocationStore(database), blocklist, [])
    user = await harness.user()
    alive = await harness.session(user)
    async with engine.begin() as connection:
        for statement in LONG * 10:
            await connection.execute(text(statement), {"user": user.id, "now": NOW})

    await remove(harness, user, undoable=False)

    assert await harness.load_user(user.id) is None
    assert blocklist.revoked == {alive.id: ENDED}
    count = text(
        "SELECT (SELECT count(*) FROM events WHERE ip <> ''), (SELECT count(*) FROM sessions WHERE ip <> '')"
    )
    async with engine.connect() as connection:
        assert tuple((await connection.execute(count)).one()) == (100_000, 50_001)
    batches = await purge(PostgresExpiredRows(database), limit=5000)
    assert len(batches) >= 20
    assert max(batches) <= 10_001
    async with engine.connect() as connection:
        assert tuple((await connection.execute(count)).one()) == (0, 0)


# -- lookups by the previous address -------------------------------------------------------------------------


async def test_latest_undoable_deletion_of_an_address_is_found(harness: StoreHarness) -> None:
    first = await harness.user()
    await remove(harness, first)
    final = await harness.user()
    await remove(harness, final, undoable=False)
    async with harness.begin() as work:
        deletion = await work.users.undoable_deletion(ADA, now=LATER)
        assert deletion is not None
        assert deletion.user_id == first.id
        assert await work.users.undoable_deletion(ADA, now=UNTIL) is None
        assert await work.users.undoable_deletion("bob@example.org", now=LATER) is None


async def test_the_newest_undoable_change_from_an_address_is_found(harness: StoreHarness) -> None:
    user = await harness.user()
    asked, moved, closed = (
        EmailChange(
            id=new_id(), user_id=user.id, old_email=ADA, new_email="n@example.org", credential_version=1, asked_at=NOW
        )
        for _ in range(3)
    )
    async with harness.begin() as work:
        for change in (asked, moved, closed):
            await work.email_changes.add(change)
        moved = moved.confirmed(LATER)
        await work.email_changes.update(moved)
        await work.email_changes.update(closed.confirmed(LATER, undoable=False))
        assert await work.email_changes.newest_undoable(ADA, since=NOW) == moved
        assert await work.email_changes.newest_undoable(ADA, since=LATER) is None
        assert await work.email_changes.newest_undoable("n@example.org", since=NOW) is None
