"""The purge removes expired rows and no others, also with concurrent purges and changes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import anyio
import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.rows import row_of_session
from adapters.postgres.tables import sessions
from adapters.uuid7 import lowest
from application.ports import ExpiredRows
from domain import retention
from domain.audit import AuditEvent, EventType
from domain.client_info import UNKNOWN_CLIENT
from domain.email_change import EmailChange
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail
from domain.retention import RetentionCategory
from domain.session import ENDED, EndReason, Session
from domain.user import Provenance, User
from tests.contracts.conftest import AdvanceTime
from tests.support.sql import sql_engine, waited_for
from tests.support.store_harness import (
    LIFETIMES,
    NOW,
    StoreHarness,
    login_event,
    new_session,
    run_concurrently,
)

pytestmark = pytest.mark.anyio

MOMENT, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
AGES = timedelta(days=500)
_numbers = count(1)


def id_at(at: datetime) -> UUID:
    """A new id with this time."""
    return UUID(int=lowest(at).int + next(_numbers))


async def purge(expired_rows: ExpiredRows, kind: RetentionCategory, *, now: datetime = NOW) -> int:
    found = await expired_rows.purge(kind, now=now, after=None, limit=1000)
    assert found.last is None
    return found.removed


# -- sessions ---------------------------------------------------------------------------------------------


async def session(
    harness: StoreHarness, user: User, *, at: datetime = NOW - AGES, expires_at: datetime = NOW + DAY
) -> Session:
    entered = replace(new_session(user, now=at), id=id_at(at), expires_at=expires_at)
    async with harness.begin() as work:
        assert await work.sessions.open(
            entered, credential_version=user.credential_version, event=login_event(entered)
        )
    return entered


async def end_session(harness: StoreHarness, one: Session, at: datetime, *, said: bool = True) -> Session:
    async with harness.begin() as work:
        await work.sessions.end(one.id, now=at, reason=EndReason.LOGOUT)
    if said:
        await harness.revocations.mark_published({one.id: ENDED})
    return one


async def remaining(harness: StoreHarness, sessions: list[Session]) -> list[Session]:
    async with harness.begin() as work:
        return [one for one in sessions if await work.sessions.by_id(one.id) is not None]


async def test_sessions_are_purged_a_day_after_their_end(
    harness: StoreHarness, expired_rows: ExpiredRows, advance_time: AdvanceTime
) -> None:
    user = await harness.user()
    edge = NOW - retention.SESSION
    staying = [
        await session(harness, user),
        await session(harness, user, expires_at=edge),
        await end_session(harness, await session(harness, user), edge),
        await end_session(harness, await session(harness, user, expires_at=edge - DAY), NOW - HOUR),
    ]
    going = [
        await session(harness, user, expires_at=edge - MOMENT),
        await end_session(harness, await session(harness, user), edge - MOMENT),
    ]
    await advance_time(2 * DAY)
    assert await purge(expired_rows, RetentionCategory.SESSION) == len(going)
    assert await remaining(harness, [*staying, *going]) == staying
    assert await harness.revocations.min_generations([one.id for one in going]) == {}
    assert await purge(expired_rows, RetentionCategory.SESSION) == 0


async def test_session_with_a_pending_revocation_is_not_purged(
    harness: StoreHarness, expired_rows: ExpiredRows, advance_time: AdvanceTime
) -> None:
    user = await harness.user()
    unsaid = await end_session(harness, await session(harness, user), NOW - AGES, said=False)
    await advance_time(AGES)
    assert await purge(expired_rows, RetentionCategory.SESSION) == 0
    assert await harness.revocations.pending() == {unsaid.id: ENDED}
    await harness.revocations.mark_published({unsaid.id: ENDED})
    assert await purge(expired_rows, RetentionCategory.SESSION) == 1


async def test_session_revoked_recently_by_the_database_clock_is_not_purged(
    harness: StoreHarness, expired_rows: ExpiredRows, advance_time: AdvanceTime
) -> None:
    user = await harness.user()
    expired = await session(harness, user, expires_at=NOW - 2 * DAY)
    async with harness.begin() as work:
        await work.sessions.revoke_access_tokens(user.id)
    await harness.revocations.mark_published(await harness.revocations.pending())
    await advance_time(DAY - HOUR)
    assert await purge(expired_rows, RetentionCategory.SESSION) == 0
    assert await purge(expired_rows, RetentionCategory.SESSION, now=datetime.now(UTC) + AGES) == 0
    await advance_time(2 * HOUR)
    assert await purge(expired_rows, RetentionCategory.SESSION) == 1
    assert await remaining(harness, [expired]) == []


async def test_sessions_of_deleted_users_are_purged_like_others(
    harness: StoreHarness, expired_rows: ExpiredRows, advance_time: AdvanceTime
) -> None:
    user = await harness.user()
    nameless = await session(harness, user)
    async with harness.begin() as work:
        await work.sessions.end_all(user.id, now=NOW, reason=EndReason.DELETED)
        await work.users.remove(user.id, now=NOW)
    await harness.revocations.mark_published({nameless.id: ENDED})
    await advance_time(2 * DAY)
    assert await purge(expired_rows, RetentionCategory.SESSION) == 0
    assert await purge(expired_rows, RetentionCategory.SESSION, now=NOW + 2 * DAY) == 1


async def test_a_purge_continues_at_its_cursor_and_stops_at_the_retention_limit(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    user = await harness.user()
    over = [
        await session(harness, user, at=NOW - timedelta(days=20 - day), expires_at=NOW - 2 * DAY) for day in range(5)
    ]
    alive = await session(harness, user, at=NOW - timedelta(days=17, hours=1))
    young = await session(harness, user, at=NOW - HOUR, expires_at=NOW - 2 * DAY)
    everybody = sorted([*over, alive], key=lambda one: one.id)
    after, removed = None, []
    for start in (0, 2, 4, 6):
        found = await expired_rows.purge(RetentionCategory.SESSION, now=NOW, after=after, limit=2)
        batch = everybody[start : start + 2]
        assert found.last == (batch[-1].id if batch else None)
        after = found.last
        removed.append(found.removed)
    assert removed == [2, 1, 2, 0]
    assert await remaining(harness, [*everybody, young]) == [alive, young]


async def test_a_session_refreshed_during_a_purge_is_kept(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    user = await harness.user()
    for _ in range(30):
        alive = await session(harness, user, at=NOW - DAY - HOUR, expires_at=NOW + MOMENT)
        gone = await session(harness, user, expires_at=NOW - 2 * DAY)

        async def renew(alive: Session = alive) -> object:
            return await harness.renewals.advance(alive.id, generation=1, now=NOW, lifetimes=LIFETIMES)

        async def clear() -> object:
            return await purge(expired_rows, RetentionCategory.SESSION)

        renewed, removed, again = await run_concurrently([renew, clear, clear])
        assert renewed is not None
        assert {removed, again} == {0, 1}
        assert await remaining(harness, [alive, gone]) == [alive]


async def test_concurrent_purges_remove_each_row_once(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    user = await harness.user()
    over = [await session(harness, user, expires_at=NOW - 2 * DAY) for _ in range(50)]
    alive = await session(harness, user)
    removed = await run_concurrently([lambda: purge(expired_rows, RetentionCategory.SESSION)] * 5)
    assert sum(removed) == len(over)
    assert await remaining(harness, [*over, alive]) == [alive]


# -- mails ------------------------------------------------------------------------------------------------


async def add_mail(harness: StoreHarness, at: datetime, outcome: DeliveryOutcome | None) -> OutboxMail:
    """Add a mail to a user and settle it with this outcome, if any."""
    mail = OutboxMail.queued(
        MailKind.RESET, "x@example.org", id=id_at(NOW - AGES), now=NOW - AGES, user_id=UUID(int=1)
    )
    async with harness.begin() as work:
        await work.outbox.add(mail)
        if outcome is not None:
            [leased] = await work.outbox.lease(now=NOW - AGES, hold=AGES, limit=1, only=mail.id)
            await work.outbox.record_outcome(leased, outcome, now=at)
    return mail


async def test_settled_mails_are_purged_and_parked_ones_later(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    edge, parked = NOW - retention.MAIL, NOW - retention.PARKED_MAIL
    staying = [
        await add_mail(harness, NOW, None),
        await add_mail(harness, edge, DeliveryOutcome.SENT),
        await add_mail(harness, edge, DeliveryOutcome.DROPPED),
        await add_mail(harness, parked, DeliveryOutcome.PARKED),
    ]
    for at, outcome in (
        (edge - MOMENT, DeliveryOutcome.SENT),
        (edge - MOMENT, DeliveryOutcome.DROPPED),
        (parked - MOMENT, DeliveryOutcome.PARKED),
    ):
        await add_mail(harness, at, outcome)
    assert await purge(expired_rows, RetentionCategory.MAIL) == 3
    reader = User(id=UUID(int=1), email="", username=None, password_hash="", created_at=NOW)
    async with harness.begin() as work:
        remaining = {mail.id for mail in await work.outbox.page(reader, limit=99, after=None)}
    assert remaining == {mail.id for mail in staying}


# -- import digests ---------------------------------------------------------------------------------------


async def test_import_digests_are_kept_while_an_import_may_be_repeated(
    harness: StoreHarness,
    expired_rows: ExpiredRows,
) -> None:
    edge = NOW - retention.IMPORT_DIGEST
    users = [
        User(
            id=id_at(at), email=f"{number}@example.org", username=None, password_hash="", verified=True, created_at=at
        )
        for number, at in enumerate((NOW - AGES, edge, NOW))
    ]
    async with harness.begin() as work:
        assert len(await work.users.bulk_insert(users, now=NOW)) == 3
    assert await purge(expired_rows, RetentionCategory.IMPORT_DIGEST) == 1
    async with harness.begin() as work:
        assert await work.users.previously_imported([user.email for user in users]) == {
            users[1].email,
            users[2].email,
        }


# -- unverified users -------------------------------------------------------------------------------------


async def add_unverified_user(
    harness: StoreHarness,
    email: str = "ada@example.org",
    *,
    at: datetime = NOW - AGES,
    provenance: Provenance = Provenance.SELF,
) -> User:
    user = User.registered(id=id_at(at), email=email, username=None, password_hash="hash", now=at)
    user = replace(user, provenance=provenance)
    async with harness.begin() as work:
        await work.users.add(user)
        await work.events.add(AuditEvent.of(EventType.REGISTERED, user.id, id=id_at(at), now=at))
    return user


async def test_idle_unverified_user_is_purged_with_their_ip_addresses(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    user = await add_unverified_user(harness)
    old = await end_session(harness, await session(harness, user), NOW - retention.UNVERIFIED_USER)
    expired = await session(harness, user, expires_at=NOW - MOMENT)
    assert await purge(expired_rows, RetentionCategory.UNVERIFIED_USER) == 1
    assert await harness.load_user(user.id) is None
    assert await purge(expired_rows, RetentionCategory.DELETED_USER) > 0
    for one in (old, expired):
        session_now = await harness.load_session(one.id)
        assert (session_now.user_id, session_now.client_info) == (None, UNKNOWN_CLIENT)
    async with harness.begin() as work:
        events = await work.events.page(user.id, limit=9, after=None)
    assert {event.action for event in events} == {EventType.REGISTERED, EventType.LOGGED_IN}


async def test_recent_activity_keeps_an_unverified_user(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    edge = NOW - retention.UNVERIFIED_USER
    young = await add_unverified_user(harness, at=edge)
    used, idle = await add_unverified_user(harness), await add_unverified_user(harness)
    async with harness.begin() as work:
        for user, at in ((used, edge), (idle, edge - MOMENT)):
            await work.events.add(AuditEvent.of(EventType.LOGGED_IN, user.id, id=id_at(at), now=at))
    assert await purge(expired_rows, RetentionCategory.UNVERIFIED_USER) == 1
    assert [await harness.load_user(user.id) for user in (young, used, idle)] == [young, used, None]


async def test_logged_in_verified_or_disabled_users_are_kept(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    logged_in, banned = await add_unverified_user(harness), await add_unverified_user(harness)
    await session(harness, logged_in, expires_at=NOW + MOMENT)
    proven = await add_unverified_user(harness, "proven@example.org")
    async with harness.begin() as work:
        await work.users.verify_email(proven.id, credential_version=1, now=NOW)
        await work.users.set_disabled(banned.id, True, now=NOW - AGES)
    assert await purge(expired_rows, RetentionCategory.UNVERIFIED_USER) == 0


@pytest.mark.parametrize("provenance", [Provenance.OPERATOR, Provenance.IMPORT])
async def test_created_and_imported_users_without_events_are_kept(
    harness: StoreHarness, expired_rows: ExpiredRows, provenance: Provenance
) -> None:
    user = await add_unverified_user(harness, provenance=provenance)
    assert await purge(expired_rows, RetentionCategory.EVENT) == 1
    assert await purge(expired_rows, RetentionCategory.UNVERIFIED_USER) == 0
    assert await harness.load_user(user.id) == user


async def test_evicted_users_without_events_are_kept(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    user = await add_unverified_user(harness, "lost@example.org")
    change = await add_email_change(harness, user, NOW - AGES)
    async with harness.begin() as work:
        displaced = await work.users.evict_from_email(user.id, to=change.new_email)
        await work.events.add(AuditEvent.of(EventType.EMAIL_LOST, user.id, id=id_at(NOW - AGES), now=NOW - AGES))
    assert await purge(expired_rows, RetentionCategory.EVENT) == 2
    assert [
        await purge(expired_rows, kind)
        for kind in (RetentionCategory.EMAIL_CHANGE, RetentionCategory.UNVERIFIED_USER)
    ] == [
        0,
        0,
    ]
    assert await harness.load_user(user.id) == displaced


async def test_an_unverified_user_with_a_recent_link_is_kept(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    asking, idle = (
        await add_unverified_user(harness, "asking@example.org"),
        await add_unverified_user(harness, "idle@example.org"),
    )
    async with harness.begin() as work:
        for user, at in ((asking, NOW - retention.LINK), (idle, NOW - retention.LINK - MOMENT)):
            await work.outbox.add(OutboxMail.queued(MailKind.VERIFY, user.email, id=id_at(at), now=at))
    assert await purge(expired_rows, RetentionCategory.UNVERIFIED_USER) == 1
    assert [await harness.load_user(user.id) for user in (asking, idle)] == [asking, None]


async def test_login_during_a_purge_finds_the_user_or_fails(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    for number in range(40):
        user = await add_unverified_user(harness, f"login{number}@example.org")
        entering = new_session(user)

        async def enter(user: User = user, entering: Session = entering) -> object:
            async with harness.begin() as work:
                return await work.sessions.open(entering, credential_version=1, event=login_event(entering))

        async def clear() -> object:
            return await purge(expired_rows, RetentionCategory.UNVERIFIED_USER)

        actions: list[Callable[[], Awaitable[object]]] = [clear, enter, clear] if number % 2 else [enter, clear]
        entered = (await run_concurrently(actions))[number % 2]
        assert (await harness.load_user(user.id) is None) == (entered is None)
        assert entered is None or (await harness.load_session(entering.id)).user_id == user.id
        async with harness.begin() as work:
            await work.sessions.end_all(user.id, now=NOW, reason=EndReason.LOGOUT_ALL)


async def test_link_used_during_a_purge_verifies_or_fails(harness: StoreHarness, expired_rows: ExpiredRows) -> None:
    for number in range(30):
        user = await add_unverified_user(harness, f"link{number}@example.org")
        async with harness.begin() as work:
            await work.outbox.add(OutboxMail.queued(MailKind.VERIFY, user.email, id=id_at(NOW), now=NOW))

        async def prove(user: User = user) -> object:
            async with harness.begin() as work:
                return await work.users.verify_email(user.id, credential_version=1, now=NOW)

        async def clear() -> object:
            return await purge(expired_rows, RetentionCategory.UNVERIFIED_USER)

        _, proof, _ = await run_concurrently([clear, prove, clear])
        assert proof is not None
        assert await harness.load_user(user.id) == replace(user, verified=True)


# -- e-mail changes and events ----------------------------------------------------------------------------


async def add_email_change(harness: StoreHarness, user: User, at: datetime) -> EmailChange:
    change = EmailChange(
        id=id_at(at),
        user_id=user.id,
        old_email=user.email,
        new_email="new@example.org",
        credential_version=1,
        asked_at=at,
    )
    async with harness.begin() as work:
        await work.email_changes.add(change)
    return change


async def test_email_changes_are_purged_unless_their_user_is_evicted(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    user = await harness.user()
    displaced = await add_unverified_user(harness, "displaced@example.org")
    edge = NOW - retention.EMAIL_CHANGE
    young, _ = (
        await add_email_change(harness, user, edge),
        await add_email_change(harness, user, edge - timedelta(milliseconds=1)),
    )
    theirs = await add_email_change(harness, displaced, NOW - AGES)
    assert await purge(expired_rows, RetentionCategory.EMAIL_CHANGE) == 1
    async with harness.begin() as work:
        assert list(await work.email_changes.by_user(user.id)) == [young]
        assert list(await work.email_changes.by_user(displaced.id)) == [theirs]


async def test_events_are_purged_after_their_retention_period(
    harness: StoreHarness, expired_rows: ExpiredRows
) -> None:
    user, edge = await harness.user(), NOW - retention.EVENT
    young = AuditEvent.of(EventType.CREATED, user.id, id=id_at(edge), now=edge)
    at = edge - timedelta(milliseconds=1)
    async with harness.begin() as work:
        await work.events.add(young)
        for subject in (user.id, id_at(NOW)):
            for action in (EventType.LOGGED_IN, EventType.CREATED):
                await work.events.add(AuditEvent.of(action, subject, id=id_at(at), now=at))
    assert await purge(expired_rows, RetentionCategory.EVENT) == 4
    async with harness.begin() as work:
        assert list(await work.events.page(user.id, limit=9, after=None)) == [young]


# -- concurrency ------------------------------------------------------------------------------------------


@pytest.fixture
async def other_engine(migrated: str) -> AsyncIterator[AsyncEngine]:
    engine = sql_engine(migrated)
    yield engine
    await engine.dispose()


@pytest.mark.parametrize("harness", ["postgres"], indirect=True)
async def test_locked_rows_are_skipped_without_waiting(
    harness: StoreHarness, expired_rows: ExpiredRows, other_engine: AsyncEngine
) -> None:
    user, claims = (
        await harness.user(),
        [await add_unverified_user(harness, f"claim{number}@example.org") for number in range(3)],
    )
    over = [await session(harness, user, expires_at=NOW - 2 * DAY) for _ in range(3)]
    async with other_engine.begin() as holding:
        for table, id in (("sessions", over[1].id), ("users", claims[1].id)):
            await holding.execute(text(f"SELECT 1 FROM {table} WHERE id = :id FOR NO KEY UPDATE"), {"id": id})
        with anyio.fail_after(30):
            assert [
                await purge(expired_rows, kind)
                for kind in (RetentionCategory.SESSION, RetentionCategory.UNVERIFIED_USER)
            ] == [
                2,
                2,
            ]
    assert await remaining(harness, over) == [over[1]]
    assert [
        await purge(expired_rows, kind) for kind in (RetentionCategory.SESSION, RetentionCategory.UNVERIFIED_USER)
    ] == [1, 1]


@pytest.mark.parametrize("harness", ["postgres"], indirect=True)
async def test_login_between_check_and_removal_keeps_the_user(
    harness: StoreHarness, expired_rows: ExpiredRows, other_engine: AsyncEngine
) -> None:
    user, idle = await add_unverified_user(harness), await add_unverified_user(harness)
    async with other_engine.begin() as connection:
        await connection.execute(text("LOCK TABLE users IN EXCLUSIVE MODE"))  # blocks other row locks, but not reads
        clearing = asyncio.create_task(
            expired_rows.purge(RetentionCategory.UNVERIFIED_USER, now=NOW, after=None, limit=10)
        )
        await waited_for(other_engine, connection)
        await connection.execute(insert(sessions).values(row_of_session(new_session(user))))
    assert (await clearing).removed == 1
    assert [await harness.load_user(one.id) for one in (user, idle)] == [user, None]
