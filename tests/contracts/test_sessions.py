"""Sessions: whatever races, none lives on under what has been taken away, and every ending is put in force."""

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
from tests.support.stage import LATER, LIFETIMES, NOW, Stage, Undo, at_once, claim, login_of, new_id, opened

pytestmark = pytest.mark.anyio

ROUNDS = 60


def entering(stage: Stage, session: Session, *, credential_version: int = 1) -> Callable[[], Awaitable[User | None]]:
    async def enter() -> User | None:
        async with stage.begin() as work:
            return await work.sessions.open(session, credential_version=credential_version, event=login_of(session))

    return enter


def advancing(
    stage: Stage, session: Session, *, generation: int = 1, now: datetime = LATER
) -> Callable[[], Awaitable[tuple[Session, User] | None]]:
    async def advance() -> tuple[Session, User] | None:
        return await stage.renewals.advance(session.id, generation=generation, now=now, lifetimes=LIFETIMES)

    return advance


def ending(stage: Stage, session: Session, reason: EndReason = EndReason.LOGOUT) -> Callable[[], Awaitable[bool]]:
    async def end() -> bool:
        async with stage.begin() as work:
            return await work.sessions.end(session.id, now=LATER, reason=reason)

    return end


def ending_all(stage: Stage, user: User) -> Callable[[], Awaitable[int]]:
    async def end_all() -> int:
        async with stage.begin() as work:
            return await work.sessions.end_all(user.id, now=LATER, reason=EndReason.LOGOUT_ALL)

    return end_all


def outdating(stage: Stage, user: User) -> Callable[[], Awaitable[int]]:
    async def revoke_access_tokens() -> int:
        async with stage.begin() as work:
            await work.users.lock(user.id)
            return await work.sessions.revoke_access_tokens(user.id)

    return revoke_access_tokens


async def kept(stage: Stage, session: Session) -> Session | None:
    async with stage.begin() as work:
        return await work.sessions.by_id(session.id)


async def noted(stage: Stage, user: User) -> list[AuditEvent]:
    async with stage.begin() as work:
        return list(await work.events.page(user.id, limit=9, after=None))


# -- opening ----------------------------------------------------------------------------------------------


async def test_a_session_comes_back_as_it_was_opened(stage: Stage) -> None:
    user = await stage.user(username="ada", role=Role.MODERATOR)
    session = replace(
        opened(user),
        generation=4,
        min_generation=3,
        client_info=ClientInfo(user_agent="ünïcode \U0001f511", ip="2001:db8::1"),
    )
    assert await entering(stage, session)() == user
    assert await kept(stage, session) == session
    assert await kept(stage, opened(user)) is None


async def test_a_claim_may_have_a_session(stage: Stage) -> None:
    user = await stage.user(proven=False)
    assert await entering(stage, opened(user))() == user


async def test_nothing_opens_under_old_credentials_a_ban_or_without_a_user(stage: Stage) -> None:
    user = await stage.user()
    banned = await stage.user("banned@example.org")
    async with stage.begin() as work:
        await work.users.set_disabled(banned.id, True, now=NOW)
    nameless = replace(opened(user), user_id=None)
    for session, version in (
        (opened(user), 0),
        (opened(user), 2),
        (opened(banned), 1),
        (opened(claim()), 1),
        (nameless, 1),
    ):
        assert await entering(stage, session, credential_version=version)() is None
        assert await kept(stage, session) is None
    for someone in (user, banned):
        assert await noted(stage, someone) == []


async def test_no_login_outlives_a_new_password_or_a_ban_that_came_at_the_same_time(stage: Stage) -> None:
    for number in range(ROUNDS):
        user = await stage.user(f"login{number}@example.org")
        sessions = [opened(user) for _ in range(3)]

        async def take_away(user: User = user, ban: bool = number % 2 == 0) -> None:
            async with stage.begin() as work:
                if ban:
                    await work.users.set_disabled(user.id, True, now=LATER)
                else:
                    await work.users.replace_password(user.id, "new", credential_version=1)
                await work.sessions.end_all(user.id, now=LATER, reason=EndReason.PASSWORD_CHANGED)

        before, *others = (entering(stage, session) for session in sessions)
        racing: list[Callable[[], Awaitable[object]]] = [before, take_away, *others]
        await at_once(racing)
        left = [session for session in [await kept(stage, session) for session in sessions] if session is not None]
        assert all(session.ended_at is not None for session in left)
        assert all(stage.blocklist.revoked[session.id] == ENDED for session in left)


# -- advancing --------------------------------------------------------------------------------------------


async def test_a_session_advances_as_the_domain_says(stage: Stage) -> None:
    user = await stage.user(username="ada")
    session = await stage.session(user)
    for now in (NOW + timedelta(days=6), NOW + timedelta(days=12, microseconds=7), NOW + timedelta(days=18)):
        advanced = session.advanced(now=now, lifetimes=LIFETIMES)
        assert await advancing(stage, session, generation=session.generation, now=now)() == (advanced, user)
        session = advanced
        assert await kept(stage, session) == session


@pytest.mark.parametrize("days", [0, 22, 23, 24, 29])
async def test_a_session_never_outlives_its_absolute_end(stage: Stage, days: int) -> None:
    lifetimes = Lifetimes(refresh=timedelta(days=30), session=timedelta(days=30, microseconds=1))
    user = await stage.user()
    session = opened(user)
    session = replace(session, expires_at=NOW + lifetimes.refresh)
    await entering(stage, session)()
    now = NOW + timedelta(days=days)
    moved = await stage.renewals.advance(session.id, generation=1, now=now, lifetimes=lifetimes)
    assert moved is not None
    assert moved[0] == session.advanced(now=now, lifetimes=lifetimes)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
async def test_a_day_has_24_hours_whatever_clock_the_server_lives_by(
    migrated: str, engine: AsyncEngine, zone: str
) -> None:
    """In New York the thirty days after 1 March 2026 are an hour short."""
    admin, database = engine, engine.url.database
    async with admin.connect() as connection:
        await connection.exec_driver_sql(f"ALTER DATABASE {database} SET timezone = '{zone}'")
        await connection.commit()
    travelled = Database(migrated)
    store = PostgresStore(travelled, blocklist=MemoryBlocklist(), nudge=lambda _: None)
    user = claim()
    session, now = opened(user), NOW + timedelta(days=6)
    lifetimes = Lifetimes(refresh=timedelta(days=60), session=timedelta(days=30))
    try:
        async with store.begin() as work:
            await work.users.add(user)
            await work.sessions.open(session, credential_version=1, event=login_of(session))
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


async def test_a_session_advances_from_its_own_generation_only(stage: Stage) -> None:
    user = await stage.user()
    session = await stage.session(user)
    assert await advancing(stage, session, generation=0)() is None
    assert await advancing(stage, session, generation=2)() is None
    assert await advancing(stage, opened(user))() is None
    assert await kept(stage, session) == session


async def test_a_session_that_is_over_does_not_advance(stage: Stage) -> None:
    user = await stage.user()
    expired, ended = await stage.session(user), await stage.session(user)
    await ending(stage, ended)()
    assert await advancing(stage, expired, now=expired.expires_at)() is None
    assert await advancing(stage, expired, now=expired.expires_at - timedelta(microseconds=1))() is not None
    assert await advancing(stage, ended)() is None


async def test_a_session_without_a_user_does_not_advance(stage: Stage) -> None:
    user = await stage.user()
    session = await stage.session(user)
    async with stage.begin() as work:
        await work.users.remove(user.id, now=NOW)
    assert await advancing(stage, session)() is None


async def test_twenty_who_renew_at_once_move_one_generation(stage: Stage) -> None:
    session = await stage.session(await stage.user())
    moved = [answer for answer in await at_once([advancing(stage, session)] * 20) if answer is not None]
    assert {session.generation for session, _ in moved} == {2}
    assert await kept(stage, session) == moved[0][0]


async def test_no_renewal_survives_an_ending_that_came_at_the_same_time(stage: Stage) -> None:
    user = await stage.user()
    for number in range(ROUNDS):
        session = await stage.session(user)
        end = ending_all(stage, user) if number % 2 else ending(stage, session)
        racing: list[Callable[[], Awaitable[object]]] = [advancing(stage, session), end, advancing(stage, session)]
        await at_once(racing)
        left = await stage.kept_session(session.id)
        assert left.ended_at is not None
        assert await advancing(stage, session, generation=left.generation)() is None
        assert await stage.revocations.min_generations([session.id]) == {session.id: ENDED}
        assert stage.blocklist.revoked[session.id] == ENDED


async def test_no_generation_that_is_still_welcome_was_issued_with_the_old_role(stage: Stage) -> None:
    for number in range(ROUNDS):
        user = await stage.user(f"demoted{number}@example.org", role=Role.ADMIN)
        session = await stage.session(user)
        issued = [(session.generation, user.role)]

        async def demote(user: User = user) -> None:
            async with stage.begin() as work:
                await work.users.set_role(user.id, Role.MEMBER)
                await work.sessions.revoke_access_tokens(user.id)

        async def renew(session: Session = session, issued: list[tuple[int, Role]] = issued) -> None:
            for generation in range(1, 5):
                moved = await advancing(stage, session, generation=generation)()
                if moved is not None:
                    issued.append((moved[0].generation, moved[1].role))

        await at_once((renew, demote, renew))
        min_generation = (await stage.kept_session(session.id)).min_generation
        assert min_generation > 0
        assert {role for generation, role in issued if generation >= min_generation} <= {Role.MEMBER}
        assert stage.blocklist.revoked[session.id] == min_generation


async def test_a_login_during_a_change_of_role_has_the_new_role_or_an_outdated_token(stage: Stage) -> None:
    for number in range(ROUNDS):
        user = await stage.user(f"entering{number}@example.org", role=Role.ADMIN)
        session = opened(user)

        async def demote(user: User = user) -> None:
            async with stage.begin() as work:
                await work.users.set_role(user.id, Role.MEMBER)
                await work.sessions.revoke_access_tokens(user.id)

        holder, _ = await at_once([entering(stage, session), demote])
        assert holder is not None
        if holder.role is Role.ADMIN:
            assert (await stage.kept_session(session.id)).min_generation > session.generation


# -- ending -----------------------------------------------------------------------------------------------


async def test_an_ending_keeps_its_time_and_reason(stage: Stage) -> None:
    session = await stage.session(await stage.user())
    assert await ending(stage, session, EndReason.REFRESH_REUSED)()
    over = session.ended(now=LATER, reason=EndReason.REFRESH_REUSED)
    assert await kept(stage, session) == over
    assert not await ending(stage, session, EndReason.LOGOUT)()
    assert await kept(stage, session) == over


async def test_of_many_who_end_a_session_at_once_one_did_and_all_are_in_force(stage: Stage) -> None:
    session = await stage.session(await stage.user())
    assert sorted(await at_once([ending(stage, session)] * 10)) == [False] * 9 + [True]
    assert stage.blocklist.published == [{session.id: ENDED}] * 10


async def test_what_is_noted_of_an_opening_and_an_ending_is_noted_once(stage: Stage) -> None:
    user = await stage.user()
    session = opened(user)
    entry, exits = login_of(session), [replace(login_of(session), action=EventType.LOGGED_OUT) for _ in range(20)]
    async with stage.store.autocommit() as work:
        assert await work.sessions.open(session, credential_version=1, event=entry) == user
    assert await noted(stage, user) == [entry]

    def leaving(told: AuditEvent) -> Callable[[], Awaitable[bool]]:
        async def leave() -> bool:
            async with stage.store.autocommit() as work:
                return await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT, event=told)

        return leave

    left = await at_once(map(leaving, exits))
    [first] = [told for told, ended in zip(exits, left, strict=True) if ended]
    assert await noted(stage, user) == [first, entry]
    assert stage.blocklist.revoked == {session.id: ENDED}


async def test_ending_what_does_not_exist_ends_nothing_but_is_put_in_force(stage: Stage) -> None:
    session = opened(await stage.user())
    assert not await ending(stage, session)()
    assert stage.blocklist.revoked == {session.id: ENDED}


async def test_ending_all_ends_the_living_sessions_of_one_user(stage: Stage) -> None:
    user, other = await stage.user(), await stage.user("bob@example.org")
    sessions = [await stage.session(user) for _ in range(3)]
    theirs = await stage.session(other)
    assert await ending_all(stage, user)() == 3
    for session in sessions:
        assert await kept(stage, session) == session.ended(now=LATER, reason=EndReason.LOGOUT_ALL)
    assert await kept(stage, theirs) == theirs
    assert stage.blocklist.revoked == dict.fromkeys((session.id for session in sessions), ENDED)
    assert await ending_all(stage, claim())() == 0


async def test_ending_all_also_waits_for_endings_that_nobody_has_seen_in_force(stage: Stage) -> None:
    """Another process may have ended one a moment ago, and not have told anybody yet."""
    user = await stage.user()
    before, alive = await stage.session(user), await stage.session(user)
    await ending(stage, before)()
    stage.blocklist.published.clear()
    assert await ending_all(stage, user)() == 1
    assert stage.blocklist.published == [{before.id: ENDED, alive.id: ENDED}]
    assert (await stage.kept_session(before.id)).end_reason is EndReason.LOGOUT

    await stage.revocations.mark_published({before.id: ENDED, alive.id: ENDED})
    stage.blocklist.published.clear()
    assert await ending_all(stage, user)() == 0
    assert stage.blocklist.published == []


async def test_outdating_raises_the_floors_above_what_was_issued(stage: Stage) -> None:
    user = await stage.user()
    young, old, over = [await stage.session(user) for _ in range(3)]
    await advancing(stage, old)()
    await ending(stage, over)()
    stage.blocklist.published.clear()
    assert await outdating(stage, user)() == 2
    assert await kept(stage, young) == young.with_access_tokens_revoked()
    assert [(await stage.kept_session(session.id)).min_generation for session in (young, old)] == [2, 3]
    assert stage.blocklist.published == [{young.id: 2, old.id: 3}]
    moved = await advancing(stage, young)()
    assert moved is not None
    assert (moved[0].generation, moved[0].min_generation) == (2, 2)


async def test_outdating_and_ending_at_once_never_bring_a_session_back(stage: Stage) -> None:
    user = await stage.user()
    for _ in range(20):
        sessions = [await stage.session(user) for _ in range(3)]
        everything: list[Callable[[], Awaitable[object]]] = [
            outdating(stage, user),
            ending(stage, sessions[1]),
            ending_all(stage, user),
            *(advancing(stage, session) for session in sessions),
            outdating(stage, user),
        ]
        await at_once(everything)
        ids = [session.id for session in sessions]
        assert await stage.revocations.min_generations(ids) == dict.fromkeys(ids, ENDED)
        assert {stage.blocklist.revoked[session] for session in ids} == {ENDED}


# -- putting in force, and undoing ------------------------------------------------------------------------


async def test_an_ending_is_in_force_when_the_work_has_been_left_and_not_before(stage: Stage) -> None:
    session = await stage.session(await stage.user())
    async with stage.begin() as work:
        await work.sessions.end(session.id, now=LATER, reason=EndReason.LOGOUT)
        assert stage.blocklist.revoked == {}
        assert await stage.revocations.min_generations([session.id]) == {session.id: 0}
    assert stage.blocklist.revoked == {session.id: ENDED}
    assert await stage.revocations.pending() == {session.id: ENDED}


async def test_an_exception_undoes_every_change_to_sessions_and_puts_nothing_in_force(stage: Stage) -> None:
    user = await stage.user()
    sessions = [await stage.session(user) for _ in range(3)]
    added = opened(user)

    async def spoilt() -> None:
        async with stage.begin() as work:
            await work.sessions.open(added, credential_version=1, event=login_of(added))
            await work.sessions.end(sessions[1].id, now=LATER, reason=EndReason.LOGOUT)
            await work.sessions.revoke_access_tokens(user.id)
            await work.sessions.end_all(user.id, now=LATER, reason=EndReason.LOGOUT_ALL)
            raise Undo

    with pytest.raises(Undo):
        await spoilt()
    assert [await kept(stage, session) for session in sessions] == sessions
    assert await kept(stage, added) is None
    assert stage.blocklist.published == []
    nothing: Mapping[UUID, int] = {}
    assert await stage.revocations.revoked(within=timedelta(hours=1)) == await stage.revocations.pending() == nothing
    assert await stage.revocations.min_generations([added.id, new_id()]) == nothing


# -- where somebody is at home ----------------------------------------------------------------------------


async def known(stage: Stage, login: str, ip: str, *, now: datetime = LATER) -> bool:
    async with stage.begin() as work:
        return await work.sessions.has_session_in_network(login, ClientInfo(ip=ip).network, now=now)


async def opened_from(stage: Stage, user: User, ip: str) -> Session:
    session = replace(opened(user), client_info=ClientInfo(ip=ip))
    async with stage.begin() as work:
        assert await work.sessions.open(session, credential_version=user.credential_version, event=login_of(session))
    return session


@pytest.mark.parametrize(
    ("ip", "same", "other"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("203.0.113.7", "::ffff:203.0.113.7", "2001:db8::1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:ffff::", "2001:db8:1:3:3::4"),
    ],
)
async def test_somebody_is_known_where_a_session_of_theirs_is_alive(
    stage: Stage, ip: str, same: str, other: str
) -> None:
    user = await stage.user(username="Ada.L")
    for login in ("ada@example.org", "ada.l", "ADA.L"):
        assert not await known(stage, login, ip)
    session = await opened_from(stage, user, ip)
    for login in ("ada@example.org", "ada.l", "ADA.L"):
        assert await known(stage, login, ip)
        assert await known(stage, login, same)
        assert not await known(stage, login, other)
    assert not await known(stage, "ada", ip)
    assert not await known(stage, "ada@example.org", ip, now=session.expires_at)
    await ending(stage, session)()
    assert not await known(stage, "ada@example.org", ip)


async def test_a_session_from_nowhere_makes_nobody_known(stage: Stage) -> None:
    await opened_from(stage, await stage.user(), "")
    assert not await known(stage, "ada@example.org", "203.0.113.7")


async def test_of_those_who_share_a_name_the_one_who_would_log_in_is_known(stage: Stage) -> None:
    first, second = await stage.user(proven=False), await stage.user(proven=False)
    await opened_from(stage, first, "203.0.113.7")
    await opened_from(stage, second, "203.0.113.8")
    assert [await known(stage, second.email, ip) for ip in ("203.0.113.7", "203.0.113.8")] == [False, True]
    async with stage.begin() as work:
        assert await work.users.verify_email(first.id, credential_version=1, now=NOW) is not None
    assert [await known(stage, first.email, ip) for ip in ("203.0.113.7", "203.0.113.8")] == [True, False]


async def test_only_the_newest_fifty_sessions_make_somebody_known(stage: Stage) -> None:
    user = await stage.user()
    await opened_from(stage, user, "203.0.113.7")
    for _ in range(49):
        await opened_from(stage, user, "203.0.113.9")
    assert await known(stage, user.email, "203.0.113.7")
    await opened_from(stage, user, "203.0.113.8")
    assert not await known(stage, user.email, "203.0.113.7")
    assert await known(stage, user.email, "203.0.113.8")
