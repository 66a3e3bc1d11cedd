"""Every statement of a request finds its rows by an index, in a database with many users."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import md5, sha256
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.revocations import MemoryBlocklist
from adapters.postgres.database import Database
from adapters.postgres.expired_rows import PostgresExpiredRows
from adapters.postgres.outbox_backlog import Backlog, PostgresBacklog
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.tables import metadata
from adapters.postgres.unit_of_work import PostgresStore
from adapters.postgres.user_lookup import PostgresUserLookup
from application.repositories import EMAIL_KEY, USERNAME_KEY, PageCursor
from domain.email_change import EmailChange
from domain.invitation import Invitation
from domain.outbox import DeliveryOutcome
from domain.retention import RetentionCategory
from domain.role import Role
from domain.session import EndReason
from domain.user import User
from tests.support.statement_recorder import RecordingDatabase, StatementRecorder
from tests.support.store_harness import LIFETIMES, NOW, login_event, new_session
from tests.support.stored_factors import totp

pytestmark = pytest.mark.anyio

MANY = 20_000
USERS = """
INSERT INTO users
    (id, email, username, password_hash, role, verified_at, credential_version, created_at, provenance)
SELECT md5('user' || n)::uuid, 'user' || n || '@example.org', 'User' || n, 'hash',
       CASE WHEN n % 1000 = 0 THEN 'admin' WHEN n % 100 = 0 THEN 'moderator' ELSE 'member' END, :now, 1, :now, 'self'
FROM generate_series(1, :many) n
"""
FACTORS = (
    """
    INSERT INTO factors (id, user_id, kind, name, created_at, added_in, removed_in, removed_at, credential_id,
                         public_key, sign_count, backup_eligible, backed_up)
    SELECT md5('key' || n)::uuid, md5('user' || 1 + n % 2000)::uuid, 'passkey', 'Passkey', :now, 1,
           CASE WHEN n % 10 = 0 THEN 2 END, CASE WHEN n % 10 = 0 THEN CAST(:now AS timestamptz) END,
           sha256(('key' || n)::bytea), '', 0, true, true
    FROM generate_series(1, :many) n
    """,
    """
    INSERT INTO factors (id, user_id, kind, name, created_at, added_in, encrypted_secret, last_step)
    SELECT md5('totp' || n)::uuid, md5('user' || n)::uuid, 'totp', 'Phone', :now, 1, '', 0
    FROM generate_series(1, :many) n
    """,
    """
    INSERT INTO recovery_codes (id, user_id, digest, created_at, added_in, removed_in, removed_at)
    SELECT md5('code' || n)::uuid, md5('user' || 1 + n % 2000)::uuid, sha256(('code' || n)::bytea), :now, 1,
           CASE WHEN n % 10 = 0 THEN 2 END, CASE WHEN n % 10 = 0 THEN CAST(:now AS timestamptz) END
    FROM generate_series(1, :many) n
    """,
    """
    INSERT INTO undo_points (id, user_id, kind, email, factor_version, changed_at)
    SELECT md5('point' || n)::uuid, md5('user' || 1 + n % 2000)::uuid, 'totp_added', '', 1, :now
    FROM generate_series(1, :many) n
    """,
    """
    INSERT INTO spent (digest, expires_at)
    SELECT sha256(('nonce' || n)::bytea), CAST(:now AS timestamptz) + n * interval '1 hour'
    FROM generate_series(1, :many) n
    """,
)
OLD = (
    """
    INSERT INTO users (id, email, password_hash, created_at, provenance)
    SELECT md5('claim' || n)::uuid, 'claim' || n || '@example.org', 'hash', :now, 'self'
    FROM generate_series(1, :many / 10) n
    """,
    """
    INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
    SELECT md5('event' || n)::uuid, CASE WHEN n % 3 = 0 THEN 'created' ELSE 'logged_in' END,
           md5('user' || n)::uuid, :now, '', '', ''
    FROM generate_series(1, :many) n
    """,
    """
    INSERT INTO address_changes (id, user_id, old_email, new_email, credential_version, asked_at)
    SELECT md5('change' || n)::uuid, md5('user' || n)::uuid, '', '', 1, :now FROM generate_series(1, :many) n
    """,
    """
    INSERT INTO arrivals (id, digest)
    SELECT md5('user' || n)::uuid, sha256(('user' || n)::bytea) FROM generate_series(1, :many) n
    """,
    "UPDATE mails SET settled_at = :now WHERE outcome IS NOT NULL AND :many > 0",
)
SESSIONS = """
INSERT INTO sessions (id, user_id, generation, floor, created_at, rotated_at, expires_at, ended_at, user_agent, ip,
                      raised_at, unpublished)
SELECT md5('session' || n)::uuid, md5('user' || n)::uuid, 1, 0, :now, :now,
       CAST(:now AS timestamptz) + interval '7 days',
       CASE WHEN n % 2 = 0 THEN CAST(:now AS timestamptz) END, 'Lynx', '203.0.113.7',
       CASE WHEN n % 2 = 0 THEN now() - n * interval '1 minute' END, n % 2000 = 0
FROM generate_series(1, :many) n
"""
MAILS = """
INSERT INTO mails (id, kind, recipient, created_at, due_at, attempts, outcome, note)
SELECT md5('mail' || n)::uuid, 'verify', 'user' || n || '@example.org', :now, :now, 0,
       CASE WHEN n % 500 = 0 THEN 'parked' WHEN n % 100 > 0 THEN 'sent' END, ''
FROM generate_series(1, :many) n
"""


@dataclass
class PlanProbe:
    engine: AsyncEngine
    database: Database
    store: PostgresStore
    revocation_store: PostgresRevocationStore
    recorder: StatementRecorder

    async def plans(self, *, but: str = r"^\b$") -> list[str]:
        """The plans of the statements since the last call, with their parameters, except those that contain
        `without`."""
        statements = [(sql, given) for sql, given in self.recorder.take() if not re.search(but, sql)]
        plans = []
        async with self.engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            for statement, parameters in statements:
                lines = await driver.fetch(f"EXPLAIN {statement}", *parameters)
                plans.append("\n".join(line[0] for line in lines))
        self.recorder.take()
        return plans


@pytest.fixture
async def probe(migrated: str, engine: AsyncEngine) -> AsyncIterator[PlanProbe]:
    async with engine.begin() as connection:
        for statement in (USERS, SESSIONS, MAILS):
            await connection.execute(text(statement), {"now": NOW, "many": MANY})
        await connection.execute(text("ANALYZE users, sessions, mails"))
    database = RecordingDatabase(migrated, deadline=60)
    store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None, deadline=60)
    yield PlanProbe(engine, database, store, PostgresRevocationStore(database), StatementRecorder(database))
    async with engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
    await database.close()


def by_index(plans: list[str]) -> bool:
    """Assert that no plan reads a whole table."""
    assert plans
    for plan in plans:
        assert "Seq Scan" not in plan, plan
    return True


async def user_of(probe: PlanProbe, number: int) -> User:
    async with probe.store.begin() as work:
        user = await work.users.by_email(f"user{number}@example.org")
    assert user is not None
    return user


async def session_of(probe: PlanProbe, number: int) -> UUID:
    async with probe.engine.connect() as connection:
        session_id = (await connection.execute(text(f"SELECT md5('session{number}')::uuid"))).scalar()
    assert isinstance(session_id, UUID)
    return session_id


async def test_users_are_found_by_index(probe: PlanProbe) -> None:
    async with probe.store.begin() as work:
        assert await work.users.by_email("user7@example.org") is not None
        assert await work.users.by_email("nobody@example.org") is None
        assert len(await work.users.by_emails([f"user{number}@example.org" for number in range(1, 17)])) == 16
        assert await work.users.by_username("USER7") is not None
        assert len(await work.users.active_admin_ids()) == MANY // 1000
    assert by_index(await probe.plans())


async def test_users_are_looked_up_by_index(probe: PlanProbe) -> None:
    user_lookup = PostgresUserLookup(probe.database)
    known_users = await asyncio.gather(
        *(user_lookup.user(UUID(md5(f"user{n}".encode()).hexdigest())) for n in range(1, 30))
    )
    assert None not in known_users
    for name in ("user7@example.org", "user7"):
        assert list(await user_lookup.candidates(name)) == [known_users[6]]
    async with probe.store.begin() as work:
        await work.users.unverified_hash("user7@example.org", "user7", alone=True)
    assert by_index(await probe.plans())


async def test_pages_are_read_by_index(probe: PlanProbe) -> None:
    half = UUID(int=1 << 127)
    async with probe.store.begin() as work:
        for query in ("", "user7", "user77@", "nobody", "u_er", "user"):
            for role in (None, Role.ADMIN, Role.MEMBER):
                for after in (
                    None,
                    PageCursor(half, query and EMAIL_KEY + query),
                    PageCursor(half, query and USERNAME_KEY + query),
                ):
                    await work.users.page(query=query, role=role, limit=50, after=after)
    assert by_index(await probe.plans())


async def test_users_are_verified_and_changed_by_index(probe: PlanProbe) -> None:
    user = await user_of(probe, 7)
    claimed = replace(user, id=UUID(int=7), verified=False)
    async with probe.store.begin() as work:
        await work.users.add(claimed)
        await work.users.verify_email(claimed.id, credential_version=1, now=NOW)
        await work.users.verify_email(user.id, credential_version=1, now=NOW)
        await work.users.replace_password(user.id, "new", credential_version=1)
        await work.users.rehash(user.id, old="new", new="newer")
        await work.users.set_role(user.id, Role.ADMIN)
        await work.users.set_disabled(user.id, True, now=NOW)
        await work.sessions.end_all(user.id, now=NOW, reason=EndReason.DELETED)
        await work.users.remove(user.id, now=NOW)
    assert by_index(await probe.plans(but="^(INSERT|SAVEPOINT|ROLL|RELEASE)"))


async def test_bulk_import_uses_indexes(probe: PlanProbe) -> None:
    user = await user_of(probe, 7)
    known = [replace(user, id=UUID(int=n), email=f"user{n}@example.org") for n in range(1, 11)]
    fresh = [
        replace(user, id=UUID(int=n), email=f"new{n}@example.org", username=f"User{n}", verified=n % 2 > 0)
        for n in range(11, 21)
    ]
    async with probe.engine.begin() as connection:
        await connection.execute(text(EVENTS), {"now": NOW, "many": MANY})
    async with probe.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("ANALYZE events"))
    probe.recorder.take()
    async with probe.store.begin() as work:
        await work.users.add(replace(fresh[0], id=UUID(int=21), username=None))
        assert len(await work.users.owners_of([user.email for user in (*known, *fresh)])) == 10
        inserted = await work.users.bulk_insert([*known, *fresh], now=NOW)
        assert {user.username for user in inserted} == {None}
        assert len(inserted) == 10
    assert by_index(await probe.plans(but="^INSERT"))


async def test_sessions_are_opened_advanced_and_ended_by_index(probe: PlanProbe) -> None:
    user, session = await user_of(probe, 7), await session_of(probe, 7)
    renewals = PostgresRenewals(probe.database)
    assert await renewals.advance(session, generation=1, now=NOW, lifetimes=LIFETIMES) is not None
    assert await renewals.advance(session, generation=1, now=NOW, lifetimes=LIFETIMES) is None
    entering = new_session(user)
    async with probe.store.begin() as work:
        assert await work.sessions.open(entering, credential_version=1, event=login_event(entering))
        assert await work.sessions.by_id(session) is not None
        assert await work.sessions.revoke_access_tokens(user.id) == 2
        assert await work.sessions.evict_oldest(entering, most=1) == [session]
        assert not await work.sessions.end(session, now=NOW, reason=EndReason.LOGOUT)
        assert await work.sessions.end(entering.id, now=NOW, reason=EndReason.LOGOUT, event=login_event(entering))
        assert await work.sessions.end_all(user.id, now=NOW, reason=EndReason.LOGOUT_ALL) == 0
    assert by_index(await probe.plans())


async def test_ended_sessions_are_not_read_for_active_ones(probe: PlanProbe) -> None:
    async with probe.engine.begin() as connection:
        await connection.execute(text("UPDATE sessions SET user_id = md5('user7')::uuid WHERE ended_at IS NOT NULL"))
    async with probe.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("ANALYZE sessions"))
    user = await user_of(probe, 7)
    probe.recorder.take()
    entering = new_session(user)
    async with probe.store.begin() as work:
        assert await work.sessions.open(entering, credential_version=1, event=login_event(entering))
        assert await work.sessions.evict_oldest(entering, most=2) == []
        assert len(await work.sessions.alive(user.id, now=NOW)) == 2
        assert await work.sessions.revoke_access_tokens(user.id) == 2
        assert await work.sessions.end_all(user.id, now=NOW, reason=EndReason.LOGOUT) == 2
    plans = [plan for plan in await probe.plans() if "ended_at IS NULL" in plan or "ix_sessions_alive" in plan]
    assert len(plans) == 4
    assert all("ix_sessions_alive" in plan for plan in plans), plans


async def test_min_generations_are_read_by_index(probe: PlanProbe) -> None:
    session = await session_of(probe, 7)
    probe.recorder.take()
    assert await probe.revocation_store.min_generations([session]) == {session: 0}
    many = [await session_of(probe, number) for number in range(1, 60)]
    assert len(await probe.revocation_store.min_generations(many)) == 59
    assert len(await probe.revocation_store.revoked(within=timedelta(minutes=11))) == 5
    fresh = await probe.revocation_store.pending()
    assert len(fresh) == MANY // 2000
    await probe.revocation_store.mark_published(fresh)
    assert by_index(await probe.plans(but="md5"))


CHANGES = """
INSERT INTO address_changes (id, user_id, old_email, new_email, credential_version, asked_at, confirmed_at)
SELECT md5('change' || n)::uuid, md5('user' || 1 + n % 2000)::uuid, 'user' || n || '@example.org',
       'new' || n || '@example.org', 1, :now, CASE WHEN n % 2 = 0 THEN CAST(:now AS timestamptz) END
FROM generate_series(1, :many) n
"""


INVITATIONS = """
INSERT INTO invitations (id, email, role, invited_by, created_at, user_id, accepted_at, revoked_at)
SELECT md5('invitation' || n)::uuid, 'user' || 1 + n % 2000 || '@example.org', 'member', md5('user1')::uuid, :now,
       CASE WHEN n % 2 = 0 THEN md5('user' || n)::uuid END, CASE WHEN n % 2 = 0 THEN CAST(:now AS timestamptz) END,
       CASE WHEN n % 2 = 1 THEN CAST(:now AS timestamptz) END
FROM generate_series(1, :many) n
"""


async def test_invitations_are_found_and_changed_by_index(probe: PlanProbe) -> None:
    async with probe.engine.begin() as connection:
        await connection.execute(text(INVITATIONS), {"now": NOW, "many": MANY})
    async with probe.engine.connect() as connection:
        analyse = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await analyse.execute(text("ANALYZE invitations"))
    user = await user_of(probe, 8)
    invitation = Invitation(
        id=UUID(int=1 << 127), email=user.email, role=Role.MEMBER, invited_by=user.id, created_at=NOW
    )
    async with probe.store.begin() as work:
        assert await work.invitations.lock_email(user.email) is None
        await work.invitations.add(invitation)
        assert await work.invitations.by_id(invitation.id) == invitation
        assert len(await work.invitations.by_user(user)) == 12
        assert len(await work.invitations.page(limit=50, after=invitation.id)) == 50
        assert await work.invitations.revoke(invitation.id, now=NOW)
        assert not await work.invitations.accept(invitation.id, user_id=user.id, now=NOW)
        await work.users.remove(user.id, now=NOW)
    await PostgresExpiredRows(probe.database).purge(RetentionCategory.DELETED_USER, now=NOW, after=None, limit=100)
    plans = [plan for plan in await probe.plans(but="^INSERT") if "invitations" in plan]
    assert len(plans) >= 7
    assert by_index(plans)


async def test_addresses_are_changed_by_index(probe: PlanProbe) -> None:
    async with probe.engine.begin() as connection:
        await connection.execute(text(CHANGES), {"now": NOW, "many": MANY})
    async with probe.engine.connect() as connection:
        analyse = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await analyse.execute(text("ANALYZE address_changes"))
    user, admin = await user_of(probe, 7), await user_of(probe, 1000)
    squatter = replace(user, id=UUID(int=7), email="new@example.org", verified=False)
    change = EmailChange(
        id=UUID(int=8),
        user_id=user.id,
        old_email=user.email,
        new_email=squatter.email,
        credential_version=1,
        asked_at=NOW,
    )
    async with probe.store.begin() as work:
        await work.users.add(squatter)
        await work.email_changes.add(change)
        assert await work.users.lock(user.id, email=squatter.email) == [squatter, user]
        assert len(await work.users.lock(user.id, email=admin.email)) == 1 + MANY // 1000
        assert len(await work.users.lock(user.id, with_admins=True)) == 1 + MANY // 1000
        assert await work.email_changes.by_id(change.id) == change
        assert await work.email_changes.newest(user.id) is not None
        await work.email_changes.update(change.confirmed(NOW))
        await work.email_changes.close(user.id, now=NOW, since=1)
        await work.email_changes.close(user.id, now=NOW, back_to=user.email)
        await work.email_changes.delete_unconfirmed(user.id)
        assert await work.users.change_email(user.id, squatter.email, over=[squatter], now=NOW) is not None
        assert await work.users.evict_from_email(admin.id, to="elsewhere@example.org") is not None
    plans = await probe.plans(but="^(?!SELECT|UPDATE|DELETE)")
    assert len(plans) > 15
    assert by_index(plans)


EVENTS = """
INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
SELECT md5('event' || n)::uuid, 'logged_in', md5('user' || n % 2000)::uuid, :now, '203.0.113.7', 'Lynx', ''
FROM generate_series(1, :many) n
"""


async def test_factors_are_found_used_and_changed_by_index(probe: PlanProbe) -> None:
    async with probe.engine.begin() as connection:
        for statement in FACTORS:
            await connection.execute(text(statement), {"now": NOW, "many": MANY})
        await connection.execute(text("ANALYZE factors, recovery_codes, undo_points, spent"))
    user = await user_of(probe, 7)
    probe.recorder.take()
    async with probe.store.begin() as work:
        factors = work.factors
        *keys, phone = sorted(await factors.by_user(user.id), key=lambda one: one.kind)
        assert len(await factors.by_user(user.id, removed=True)) == len(keys) + 1
        assert keys[0].passkey is not None
        assert await factors.by_credential_id(keys[0].passkey.credential_id) is not None
        assert await factors.rename(user.id, phone.id, "new") is not None
        assert await factors.use_totp(phone.id, step=1, now=NOW)
        assert await factors.use_passkey(keys[0].id, sign_count=1, backed_up=True, now=NOW)
        assert await factors.recovery_codes(user.id) is not None
        assert await factors.use_recovery_code(user.id, sha256(b"code6").digest(), now=NOW)
        assert await factors.use_challenge(b"digest", expires_at=NOW)
        assert len(await factors.undo_points(user.id)) == 10
        assert await factors.undo_point(UUID(int=1)) is None
        await factors.close_undo_point(UUID(int=1), now=NOW)
        assert await factors.add(totp(user), replacing=[phone.id])
        assert await factors.remove(user.id, [one.id for one in await factors.by_user(user.id)], now=NOW)
        assert await factors.restore(user.id, 1, now=NOW) is not None
        assert len(await factors.with_secrets(after=UUID(int=1 << 127), limit=50)) == 50
        assert not await factors.replace_secret(phone.id, old=b"old", new=b"new")
    plans = await probe.plans(but="^(?!SELECT|UPDATE|DELETE)")
    assert len(plans) > 20
    assert by_index(plans)


async def test_events_are_listed_and_deleted_by_index(probe: PlanProbe) -> None:
    async with probe.engine.begin() as connection:
        await connection.execute(text(EVENTS), {"now": NOW, "many": MANY})
    async with probe.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text("ANALYZE events"))
    user = await user_of(probe, 7)
    probe.recorder.take()
    async with probe.store.begin() as work:
        first = await work.events.page(user.id, limit=5, after=None)
        assert len(first) == 5
        assert len(await work.events.page(user.id, limit=50, after=first[-1].id)) == 5
        await work.events.login_clients(user.id, before=first[0].id, limit=50)
        await work.users.rename(user.id, "somebody")
        await work.users.remove(user.id, now=NOW)
    assert by_index(await probe.plans(but="^(?!SELECT|UPDATE|DELETE)"))


async def test_mails_are_leased_settled_and_listed_by_index(probe: PlanProbe) -> None:
    async with probe.store.begin() as work:
        for limit in (1, 10):
            mails = await work.outbox.lease(now=NOW, hold=timedelta(seconds=45), limit=limit)
            assert len(mails) == limit
        await work.outbox.lease(now=NOW, hold=timedelta(), limit=1, only=mails[0].id)
        await work.outbox.record_outcome(mails[0], DeliveryOutcome.PARKED, now=NOW, note="refused")
        await work.outbox.postpone(mails[1], wait=timedelta(), now=NOW, note="busy")
        assert len(await work.outbox.parked(limit=50)) == 41
        assert await work.outbox.redrive(mails[0].id, now=NOW)
    assert by_index(await probe.plans())


async def test_the_backlog_is_counted_by_index(probe: PlanProbe) -> None:
    backlog = PostgresBacklog(probe.database, clock=lambda: NOW + timedelta(hours=1))
    assert await backlog.read() == Backlog(160, 40, lag=timedelta(hours=1), oldest_age=timedelta(hours=1))
    [(_, given)] = probe.recorder.statements
    assert given == ()  # so that each execution is planned as here
    assert by_index(await probe.plans())


async def test_history_of_a_user_is_read_by_index(probe: PlanProbe) -> None:
    user = await user_of(probe, 7)
    async with probe.store.begin() as work:
        for after in (None, UUID(int=1 << 127)):
            for one in (user, replace(user, verified=False)):
                await work.outbox.page(one, limit=50, after=after)
            await work.sessions.page(user.id, limit=50, after=after)
        await work.sessions.alive(user.id, now=NOW)
        for login in ("user7@example.org", "USER7", "nobody"):
            await work.sessions.has_session_in_network(login, "203.0.113.7", now=NOW)
    assert by_index(await probe.plans())


async def test_history_of_deleted_users_is_read_by_index(probe: PlanProbe) -> None:
    async with probe.engine.begin() as connection:
        await connection.execute(text(EVENTS), {"now": NOW, "many": MANY})
        await connection.execute(text("ANALYZE events"))
    users = [await user_of(probe, number) for number in range(1, 40)]
    async with probe.store.begin() as work:
        for user in users:
            await work.users.remove(user.id, now=NOW)
    probe.recorder.take()
    result = await PostgresExpiredRows(probe.database).purge(
        RetentionCategory.DELETED_USER, now=NOW, after=None, limit=200
    )
    assert result.removed >= 200
    assert by_index(await probe.plans(but="deletions"))  # a table of a few rows, which is read by a sequential scan


async def test_expired_rows_are_found_along_the_primary_key(probe: PlanProbe) -> None:
    expired_rows = PostgresExpiredRows(probe.database)
    async with probe.engine.begin() as connection:
        for statement in (*OLD, *FACTORS, INVITATIONS):
            await connection.execute(text(statement), {"now": NOW, "many": MANY})
        analyzed = "users, events, address_changes, mails, arrivals, factors, recovery_codes, undo_points, spent"
        await connection.execute(text(f"ANALYZE {analyzed}, invitations"))
    probe.recorder.take()
    for kind in (kind for kind in RetentionCategory if kind is not RetentionCategory.DELETED_USER):
        # Ids are random here, so only a late time makes many of them old.
        for now in (NOW, NOW.replace(year=9000)):
            result = await expired_rows.purge(kind, now=now, after=UUID(int=1 << 124), limit=200)
            assert (result.removed > 0) is (now > NOW), kind
    assert by_index(await probe.plans())
