"""Sessions in the store: no race leaves a session valid after its revocation, and every end is published."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.revocations import MemoryBlocklist
from adapters.postgres.database import Database
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from domain.audit import AuditEvent, EventType
from domain.client_info import ClientInfo
from domain.role import Role
from domain.session import ENDED, EndReason, Lifetimes, Session
from domain.user import User
from tests.support.store_harness import (
    LATER,
    LIFETIMES,
    NOW,
    Rollback,
    StoreHarness,
    claim,
    login_event,
    new_id,
    new_session,
    run_concurrently,
)

pytestmark = pytest.mark.anyio

ROUNDS = 60


def opening(
    harness: StoreHarness, session: Session, *, credential_version: int = 1
) -> Callable[[], Awaitable[User | None]]:
    async def open_session() -> User | None:
        async with harness.begin() as work:
            return await work.sessions.open(
                session, credential_version=credential_version, event=login_event(session)
            )

    return open_session


def advancing(
    harness: StoreHarness, session: Session, *, generation: int = 1, now: datetime = LATER
) -> Callable[[], Awaitable[tuple[Session, User] | None]]:
    async def advance() -> tuple[Session, User] | None:
        return await harness.renewals.advance(session.id, generation=generation, now=now, lifetimes=LIFETIMES)

    return advance


def ending(
    harness: StoreHarness, session: Session, reason: EndReason = EndReason.LOGOUT
) -> Callable[[], Awaitable[bool]]:
    async def end() -> bool:
        async with harness.begin() as work:
            return await work.sessions.end(session.id, now=LATER, reason=reason)

    return end


def ending_all(harness: StoreHarness, user: User) -> Callable[[], Awaitable[int]]:
    async def end_all() -> int:
        async with harness.begin() as work:
            return await work.sessions.end_all(user.id, now=LATER, reason=EndReason.LOGOUT_ALL)

    return end_all


def revoking_access_tokens(harness: StoreHarness, user: User) -> Callable[[], Awaitable[int]]:
    async def revoke_access_tokens() -> int:
        async with harness.begin() as work:
            await work.users.lock(user.id)
            return await work.sessions.revoke_access_tokens(user.id)

    return revoke_access_tokens


async def session_now(harness: StoreHarness, session: Session) -> Session | None:
    async with harness.begin() as work:
        return await work.sessions.by_id(session.id)


async def events_of(harness: StoreHarness, user: User) -> list[AuditEvent]:
    async with harness.begin() as work:
        return list(await work.events.page(user.id, limit=9, after=None))


# -- opening ----------------------------------------------------------------------------------------------


async def test_session_is_stored_unchanged(harness: StoreHarness) -> None:
    user = await harness.user(username="ada", role=Role.MODERATOR)
    session = replace(
        new_session(user),
        generation=4,
        min_generation=3,
        client_info=ClientInfo(user_agent="ünïcode \U0001f511", ip="2001:db8::1"),
    )
    assert await opening(harness, session)() == user
    assert await session_now(harness, session) == session
    assert await session_now(harness, new_session(user)) is None


async def test_unverified_user_may_have_a_session(harness: StoreHarness) -> None:
    user = await harness.user(proven=False)
    assert await opening(harness, new_session(user))() == user


async def test_session_does_not_open_with_old_credentials_or_a_disabled_user(harness: StoreHarness) -> None:
    user = await harness.user()
    banned = await harness.user("banned@example.org")
    async with harness.begin() as work:
        await work.users.set_disabled(banned.id, True, now=NOW)
    nameless = replace(new_session(user), user_id=None)
    for session, version in (
        (new_session(user), 0),
        (new_session(user), 2),
        (new_session(banned), 1),
        (new_session(claim()), 1),
        (nameless, 1),
    ):
        assert await opening(harness, session, credential_version=version)() is None
        assert await session_now(harness, session) is None
    for someone in (user, banned):
        assert await events_of(harness, someone) == []


async def test_no_login_survives_a_concurrent_password_change_or_ban(harness: StoreHarness) -> None:
    for number in range(ROUNDS):
        user = await harness.user(f"login{number}@example.org")
        sessions = [new_session(user) for _ in range(3)]

        async def revoke(user: User = user, ban: bool = number % 2 == 0) -> None:
            async with harness.begin() as work:
                if ban:
                    await work.users.set_disabled(user.id, True, now=LATER)
                else:
                    await work.users.replace_password(user.id, "new", credential_version=1)
                await work.sessions.end_all(user.id, now=LATER, reason=EndReason.PASSWORD_CHANGED)

        before, *others = (opening(harness, session) for session in sessions)
        racing: list[Callable[[], Awaitable[object]]] = [before, revoke, *others]
        await run_concurrently(racing)
        left = [
            session
            for session in [await session_now(harness, session) for session in sessions]
            if session is not None
        ]
        assert all(session.ended_at is not None for session in left)
        assert all(harness.blocklist.revoked[session.id] == ENDED for session in left)


# -- advancing --------------------------------------------------------------------------------------------


async def test_refresh_follows_the_domain_rules(harness: StoreHarness) -> None:
    user = await harness.user(username="ada")
    session = await harness.session(user)
    for now in (NOW + timedelta(days=6), NOW + timedelta(days=12, microseconds=7), NOW + timedelta(days=18)):
        advanced = session.advanced(now=now, lifetimes=LIFETIMES)
        assert await advancing(harness, session, generation=session.generation, now=now)() == (advanced, user)
        session = advanced
        assert await session_now(harness, session) == session


@pytest.mark.parametrize("days", [0, 22, 23, 24, 29])
async def test_session_never_outlives_its_absolute_end(harness: StoreHarness, days: int) -> None:
    lifetimes = Lifetimes(refresh=timedelta(days=30), session=timedelta(days=30, microseconds=1))
    user = await harness.user()
    session = new_session(user)
    session = replace(session, expires_at=NOW + lifetimes.refresh)
    await opening(harness, session)()
    now = NOW + timedelta(days=days)
    moved = await harness.renewals.advance(session.id, generation=1, now=now, lifetimes=lifetimes)
    assert moved is not None
    assert moved[0] == session.advanced(now=now, lifetimes=lifetimes)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
async def test_day_has_24_hours_in_any_server_time_zone(migrated: str, engine: AsyncEngine, zone: str) -> None:
    """In New York, the thirty days after 1 March 2026 are an hour shorter."""
    admin, database = engine, engine.url.database
    async with admin.connect() as connection:
        await connection.exec_driver_sql(f"ALTER DATABASE {database} SET timezone = '{zone}'")
        await connection.commit()
    travelled = Database(migrated)
    store = PostgresStore(travelled, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    user = claim()
    session, now = new_session(user), NOW + timedelta(days=6)
    lifetimes = Lifetimes(refresh=timedelta(days=60), session=timedelta(days=30))
    try:
        async with store.begin() as work:
            await work.users.add(user)
            await work.sessions.open(session, credential_version=1, event=login_event(session))
        renewals = PostgresRenewals(travelled)
        moved = await renewals.advance(session.id, generation=1, now=now, lifetimes=lifetimes)
    finally:
        async with admin.connect() as connection:
            await connection.exec_driver_sql(f"ALTER DATABASE {database} RESET timezone")
            await connection.commit()
        await travelled.close()
    assert moved is not None
    assert moved[0] == session.advanced(now=now, lifetimes=lifetimes)
    assert moved[0].expires_at.tzinfo == UTC


async def test_a_session_advances_from_its_own_generation_only(harness: StoreHarness) -> None:
    user = await harness.user()
    session = await harness.session(user)
    assert await advancing(harness, session, generation=0)() is None
    assert await advancing(harness, session, generation=2)() is None
    assert await advancing(harness, new_session(user))() is None
    assert await session_now(harness, session) == session


async def test_ended_session_does_not_advance(harness: StoreHarness) -> None:
    user = await harness.user()
    expired, ended = await harness.session(user), await harness.session(user)
    await ending(harness, ended)()
    assert await advancing(harness, expired, now=expired.expires_at)() is None
    assert await advancing(harness, expired, now=expired.expires_at - timedelta(microseconds=1))() is not None
    assert await advancing(harness, ended)() is None


async def test_a_session_without_a_user_does_not_advance(harness: StoreHarness) -> None:
    user = await harness.user()
    session = await harness.session(user)
    async with harness.begin() as work:
        await work.users.remove(user.id, now=NOW)
    assert await advancing(harness, session)() is None


async def test_twenty_concurrent_refreshes_advance_one_generation(harness: StoreHarness) -> None:
    session = await harness.session(await harness.user())
    moved = [answer for answer in await run_concurrently([advancing(harness, session)] * 20) if answer is not None]
    assert {session.generation for session, _ in moved} == {2}
    assert await session_now(harness, session) == moved[0][0]


async def test_no_session_survives_an_end_concurrent_with_refreshes(harness: StoreHarness) -> None:
    user = await harness.user()
    for number in range(ROUNDS):
        session = await harness.session(user)
        end = ending_all(harness, user) if number % 2 else ending(harness, session)
        racing: list[Callable[[], Awaitable[object]]] = [
            advancing(harness, session),
            end,
            advancing(harness, session),
        ]
        await run_concurrently(racing)
        left = await harness.load_session(session.id)
        assert left.ended_at is not None
        assert await advancing(harness, session, generation=left.generation)() is None
        assert await harness.revocations.min_generations([session.id]) == {session.id: ENDED}
        assert harness.blocklist.revoked[session.id] == ENDED


async def test_valid_generation_has_no_old_role(harness: StoreHarness) -> None:
    for number in range(ROUNDS):
        user = await harness.user(f"demoted{number}@example.org", role=Role.ADMIN)
        session = await harness.session(user)
        issued = [(session.generation, user.role)]

        async def demote(user: User = user) -> None:
            async with harness.begin() as work:
                await work.users.set_role(user.id, Role.MEMBER)
                await work.sessions.revoke_access_tokens(user.id)

        async def renew(session: Session = session, issued: list[tuple[int, Role]] = issued) -> None:
            for generation in range(1, 5):
                moved = await advancing(harness, session, generation=generation)()
                if moved is not None:
                    issued.append((moved[0].generation, moved[1].role))

        await run_concurrently((renew, demote, renew))
        min_generation = (await harness.load_session(session.id)).min_generation
        assert min_generation > 0
        assert {role for generation, role in issued if generation >= min_generation} <= {Role.MEMBER}
        assert harness.blocklist.revoked[session.id] == min_generation


async def test_login_during_a_role_change_has_the_new_role_or_is_revoked(harness: StoreHarness) -> None:
    for number in range(ROUNDS):
        user = await harness.user(f"entering{number}@example.org", role=Role.ADMIN)
        session = new_session(user)

        async def demote(user: User = user) -> None:
            async with harness.begin() as work:
                await work.users.set_role(user.id, Role.MEMBER)
                await work.sessions.revoke_access_tokens(user.id)

        holder, _ = await run_concurrently([opening(harness, session), demote])
        assert holder is not None
        if holder.role is Role.ADMIN:
            assert (await harness.load_session(session.id)).min_generation > session.generation


# -- ending -----------------------------------------------------------------------------------------------


async def test_ended_session_keeps_its_time_and_reason(harness: StoreHarness) -> None:
    session = await harness.session(await harness.user())
    assert await ending(harness, session, EndReason.REFRESH_REUSED)()
    over = session.ended(now=LATER, reason=EndReason.REFRESH_REUSED)
    assert await session_now(harness, session) == over
    assert not await ending(harness, session, EndReason.LOGOUT)()
    assert await session_now(harness, session) == over


async def test_of_concurrent_ends_one_counts_and_all_are_published(harness: StoreHarness) -> None:
    session = await harness.session(await harness.user())
    assert sorted(await run_concurrently([ending(harness, session)] * 10)) == [False] * 9 + [True]
    assert harness.blocklist.published == [{session.id: ENDED}] * 10


async def test_login_and_logout_events_are_stored_once(harness: StoreHarness) -> None:
    user = await harness.user()
    session = new_session(user)
    entry, exits = (
        login_event(session),
        [replace(login_event(session), action=EventType.LOGGED_OUT) for _ in range(20)],
    )
    async with harness.store.autocommit() as work:
        assert await work.sessions.open(session, credential_version=1, event=entry) == user
    assert await events_of(harness, user) == [entry]

    def logging_out(exit_event: AuditEvent) -> Callable[[], Awaitable[bool]]:
        async def log_out() -> bool:
            async with harness.store.autocommit() as work:
                return await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT, event=exit_event)

        return log_out

    left = await run_concurrently(map(logging_out, exits))
    [first] = [exit_event for exit_event, ended in zip(exits, left, strict=True) if ended]
    assert await events_of(harness, user) == [first, entry]
    assert harness.blocklist.revoked == {session.id: ENDED}


async def test_ending_an_unknown_session_is_published(harness: StoreHarness) -> None:
    session = new_session(await harness.user())
    assert not await ending(harness, session)()
    assert harness.blocklist.revoked == {session.id: ENDED}


async def test_end_all_ends_the_active_sessions_of_one_user(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    sessions = [await harness.session(user) for _ in range(3)]
    other_session = await harness.session(other)
    assert await ending_all(harness, user)() == 3
    for session in sessions:
        assert await session_now(harness, session) == session.ended(now=LATER, reason=EndReason.LOGOUT_ALL)
    assert await session_now(harness, other_session) == other_session
    assert harness.blocklist.revoked == dict.fromkeys((session.id for session in sessions), ENDED)
    assert await ending_all(harness, claim())() == 0


async def test_end_all_waits_for_pending_revocations(harness: StoreHarness) -> None:
    """Another process may have ended a session without having published it yet."""
    user = await harness.user()
    before, alive = await harness.session(user), await harness.session(user)
    await ending(harness, before)()
    harness.blocklist.published.clear()
    assert await ending_all(harness, user)() == 1
    assert harness.blocklist.published == [{before.id: ENDED, alive.id: ENDED}]
    assert (await harness.load_session(before.id)).end_reason is EndReason.LOGOUT

    await harness.revocations.mark_published({before.id: ENDED, alive.id: ENDED})
    harness.blocklist.published.clear()
    assert await ending_all(harness, user)() == 0
    assert harness.blocklist.published == []


async def test_revoking_access_tokens_raises_min_generation(harness: StoreHarness) -> None:
    user = await harness.user()
    young, old, over = [await harness.session(user) for _ in range(3)]
    await advancing(harness, old)()
    await ending(harness, over)()
    harness.blocklist.published.clear()
    assert await revoking_access_tokens(harness, user)() == 2
    assert await session_now(harness, young) == young.with_access_tokens_revoked()
    assert [(await harness.load_session(session.id)).min_generation for session in (young, old)] == [2, 3]
    assert harness.blocklist.published == [{young.id: 2, old.id: 3}]
    moved = await advancing(harness, young)()
    assert moved is not None
    assert (moved[0].generation, moved[0].min_generation) == (2, 2)


async def test_revoking_tokens_never_revives_an_ended_session(harness: StoreHarness) -> None:
    user = await harness.user()
    for _ in range(20):
        sessions = [await harness.session(user) for _ in range(3)]
        everything: list[Callable[[], Awaitable[object]]] = [
            revoking_access_tokens(harness, user),
            ending(harness, sessions[1]),
            ending_all(harness, user),
            *(advancing(harness, session) for session in sessions),
            revoking_access_tokens(harness, user),
        ]
        await run_concurrently(everything)
        ids = [session.id for session in sessions]
        assert await harness.revocations.min_generations(ids) == dict.fromkeys(ids, ENDED)
        assert {harness.blocklist.revoked[session] for session in ids} == {ENDED}


# -- publication and rollback -----------------------------------------------------------------------------


async def test_ended_session_is_in_force_after_the_commit(harness: StoreHarness) -> None:
    session = await harness.session(await harness.user())
    async with harness.begin() as work:
        await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT)
        assert harness.blocklist.revoked == {}
        assert await harness.revocations.min_generations([session.id]) == {session.id: 0}
    assert harness.blocklist.revoked == {session.id: ENDED}
    assert await harness.revocations.pending() == {session.id: ENDED}


async def test_exception_undoes_changes_to_sessions_and_publishes_nothing(harness: StoreHarness) -> None:
    user = await harness.user()
    sessions = [await harness.session(user) for _ in range(3)]
    added = new_session(user)

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.sessions.open(added, credential_version=1, event=login_event(added))
            await work.sessions.end(sessions[1].id, now=LATER, reason=EndReason.LOGOUT)
            await work.sessions.revoke_access_tokens(user.id)
            await work.sessions.end_all(user.id, now=LATER, reason=EndReason.LOGOUT_ALL)
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    assert [await session_now(harness, session) for session in sessions] == sessions
    assert await session_now(harness, added) is None
    assert harness.blocklist.published == []
    nothing: Mapping[UUID, int] = {}
    assert (
        await harness.revocations.revoked(within=timedelta(hours=1)) == await harness.revocations.pending() == nothing
    )
    assert await harness.revocations.min_generations([added.id, new_id()]) == nothing


# -- known networks ---------------------------------------------------------------------------------------


async def is_known(harness: StoreHarness, login: str, ip: str, *, now: datetime = LATER) -> bool:
    async with harness.begin() as work:
        return await work.sessions.has_session_in_network(login, ClientInfo(ip=ip).network, now=now)


async def opened_from(harness: StoreHarness, user: User, ip: str) -> Session:
    session = replace(new_session(user), client_info=ClientInfo(ip=ip))
    async with harness.begin() as work:
        assert await work.sessions.open(
            session, credential_version=user.credential_version, event=login_event(session)
        )
    return session


@pytest.mark.parametrize(
    ("ip", "same", "other"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("203.0.113.7", "::ffff:203.0.113.7", "2001:db8::1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:ffff::", "2001:db8:1:3:3::4"),
    ],
)
async def test_active_session_makes_a_network_known(harness: StoreHarness, ip: str, same: str, other: str) -> None:
    user = await harness.user(username="Ada.L")
    for login in ("ada@example.org", "ada.l", "ADA.L"):
        assert not await is_known(harness, login, ip)
    session = await opened_from(harness, user, ip)
    for login in ("ada@example.org", "ada.l", "ADA.L"):
        assert await is_known(harness, login, ip)
        assert await is_known(harness, login, same)
        assert not await is_known(harness, login, other)
    assert not await is_known(harness, "ada", ip)
    assert not await is_known(harness, "ada@example.org", ip, now=session.expires_at)
    await ending(harness, session)()
    assert not await is_known(harness, "ada@example.org", ip)


async def test_session_without_an_address_makes_no_network_known(harness: StoreHarness) -> None:
    await opened_from(harness, await harness.user(), "")
    assert not await is_known(harness, "ada@example.org", "203.0.113.7")


async def test_a_network_is_known_only_from_sessions_of_the_owner_of_the_login(harness: StoreHarness) -> None:
    first, second = await harness.user(proven=False), await harness.user(proven=False)
    await opened_from(harness, first, "203.0.113.7")
    await opened_from(harness, second, "203.0.113.8")
    assert [await is_known(harness, second.email, ip) for ip in ("203.0.113.7", "203.0.113.8")] == [False, True]
    async with harness.begin() as work:
        assert await work.users.verify_email(first.id, credential_version=1, now=NOW) is not None
    assert [await is_known(harness, first.email, ip) for ip in ("203.0.113.7", "203.0.113.8")] == [True, False]


async def test_only_the_newest_fifty_sessions_make_a_network_known(harness: StoreHarness) -> None:
    user = await harness.user()
    await opened_from(harness, user, "203.0.113.7")
    for _ in range(49):
        await opened_from(harness, user, "203.0.113.9")
    assert await is_known(harness, user.email, "203.0.113.7")
    await opened_from(harness, user, "203.0.113.8")
    assert not await is_known(harness, user.email, "203.0.113.7")
    assert await is_known(harness, user.email, "203.0.113.8")
