"""Users in the store: unverified users may share an address, one verified user owns it, and races keep that."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import anyio
import pytest

from adapters.postgres.database import Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from application.repositories import EMAIL_KEY, PageCursor
from domain.role import Role
from domain.session import ENDED, EndReason, Session
from domain.user import User
from tests.support.store_harness import (
    LATER,
    NOW,
    Rollback,
    SpyingBlocklist,
    StoreHarness,
    claim,
    login_event,
    new_id,
    new_session,
    run_concurrently,
)

pytestmark = pytest.mark.anyio


def verifying(harness: StoreHarness, user: User) -> Callable[[], Awaitable[User | None]]:
    async def verify() -> User | None:
        async with harness.begin() as work:
            proof = await work.users.verify_email(user.id, credential_version=user.credential_version, now=NOW)
            return None if proof is None else proof.user

    return verify


def opening(harness: StoreHarness, session: Session) -> Callable[[], Awaitable[User | None]]:
    async def open_session() -> User | None:
        async with harness.begin() as work:
            return await work.sessions.open(session, credential_version=1, event=login_event(session))

    return open_session


# -- lookups ----------------------------------------------------------------------------------------------


async def test_user_is_stored_unchanged(harness: StoreHarness) -> None:
    user = replace(claim("a@example.org", username="Ada", role=Role.ADMIN), credential_version=7)
    async with harness.begin() as work:
        await work.users.add(user)
    async with harness.begin() as work:
        assert await work.users.by_id(user.id) == user
        assert await work.users.by_email("a@example.org") == user
        assert await work.users.by_username("aDA") == user


async def test_unknown_id_address_or_name_finds_no_user(harness: StoreHarness) -> None:
    await harness.user(username=None)
    async with harness.begin() as work:
        assert await work.users.by_id(new_id()) is None
        assert await work.users.by_email("eve@example.org") is None
        assert [await work.users.by_username(name) for name in ("eve", "", "%", "ada@example.org")] == [None] * 4


async def test_newest_unverified_user_owns_an_address_until_verification(harness: StoreHarness) -> None:
    older = await harness.user(username="ada", proven=False)
    newer = await harness.user(username="ADA", proven=False)
    async with harness.begin() as work:
        assert await work.users.by_email("ada@example.org") == newer
        assert await work.users.by_username("ada") == newer
    proven = await verifying(harness, older)()
    await harness.user(username="ada", proven=False)
    async with harness.begin() as work:
        assert await work.users.by_email("ada@example.org") == proven
        assert await work.users.by_username("ada") == proven


async def test_addresses_are_looked_up_in_bulk_like_one(harness: StoreHarness) -> None:
    emails = [f"user{number}@example.org" for number in range(5)]
    for email in emails[:4]:
        for proven in (False, email == emails[0], False, email == emails[1]):
            await harness.user(email, username=None, proven=proven)
    async with harness.begin() as work:
        one_by_one = [await work.users.by_email(email) for email in emails]
        assert await work.users.by_emails([*emails[1:], emails[0], emails[0]]) == {
            user.email: user for user in one_by_one if user is not None
        }
        assert await work.users.by_emails([]) == {}
    assert [user and user.verified for user in one_by_one] == [True, True, False, False, None]


# -- verification -----------------------------------------------------------------------------------------


async def test_verification_keeps_all_other_fields(harness: StoreHarness) -> None:
    user = await harness.user(username="Ada", role=Role.MODERATOR, proven=False)
    assert await verifying(harness, user)() == replace(user, verified=True)
    assert await harness.load_user(user.id) == replace(user, verified=True)


async def test_concurrent_verifications_of_one_user_all_return_the_user(harness: StoreHarness) -> None:
    user = await harness.user(username="ada")
    assert await run_concurrently([verifying(harness, user)] * 5) == [user] * 5


async def test_verification_needs_current_credentials_and_a_user(harness: StoreHarness) -> None:
    user = await harness.user(proven=False)
    assert await verifying(harness, replace(user, credential_version=2))() is None
    assert await verifying(harness, claim())() is None
    assert await harness.load_user(user.id) == user


async def test_verified_address_cannot_be_verified_by_another(harness: StoreHarness) -> None:
    holder = await harness.user()
    late = await harness.user(proven=False)
    assert await verifying(harness, late)() is None
    assert await harness.load_user(holder.id) == holder
    assert await harness.load_user(late.id) == late


async def test_verification_removes_rivals_and_ends_their_sessions(harness: StoreHarness) -> None:
    squatter = await harness.user(username="squatter", proven=False)
    planted = await harness.session(squatter)
    neighbour = await harness.user("bob@example.org", proven=False)
    neighbours_session = await harness.session(neighbour)
    await harness.user()

    assert await harness.load_user(squatter.id) is None
    planted_now = await harness.load_session(planted.id)
    assert (planted_now.ended_at, planted_now.end_reason) == (NOW, EndReason.SUPERSEDED)
    assert harness.blocklist.revoked == {planted.id: ENDED}
    assert await harness.load_user(neighbour.id) == neighbour
    assert await harness.load_session(neighbours_session.id) == neighbours_session


@pytest.mark.parametrize("other", ["$memory$1", "$memory$2"])
async def test_an_address_is_contested_by_users_with_another_password_hash(harness: StoreHarness, other: str) -> None:
    user, rival = replace(claim(), password_hash="$memory$1"), replace(claim(), password_hash=other)
    async with harness.begin() as work:
        await work.users.add(user)
        await work.users.add(rival)
        proof = await work.users.verify_email(user.id, credential_version=1, now=NOW)
    assert proof is not None
    assert proof.contested is (other != user.password_hash)


async def test_concurrent_verifications_of_one_address_have_one_winner(harness: StoreHarness) -> None:
    for number in range(5):
        address = f"contested{number}@example.org"
        rivals = [await harness.user(address, username=f"rival{number}-{rival}", proven=False) for rival in range(12)]
        sessions = [await harness.session(rival) for rival in rivals]
        proven = [
            user for user in await run_concurrently(verifying(harness, rival) for rival in rivals) if user is not None
        ]
        left = [user for user in [await harness.load_user(rival.id) for rival in rivals] if user is not None]
        assert len(proven) == 1
        assert left == proven
        sessions_now = [await harness.load_session(session.id) for session in sessions]
        assert sorted(session.ended_at is None for session in sessions_now) == [False] * 11 + [True]


async def test_verifications_of_new_rivals_have_one_winner(harness: StoreHarness) -> None:
    """Neither transaction sees the row of the other in time to lock it."""

    def registering_and_verifying(user: User) -> Callable[[], Awaitable[User | None]]:
        async def register_and_verify() -> User | None:
            async with harness.begin() as work:
                await work.users.add(user)
                await anyio.sleep(0.01)
                proof = await work.users.verify_email(user.id, credential_version=1, now=NOW)
                return None if proof is None else proof.user

        return register_and_verify

    for number in range(5):
        address = f"made{number}@example.org"
        rivals = [claim(address, username=f"maker{number}") for _ in range(8)]
        proven = [
            user
            for user in await run_concurrently(registering_and_verifying(rival) for rival in rivals)
            if user is not None
        ]
        async with harness.begin() as work:
            holder = await work.users.by_email(address)
        assert proven == [holder]
        assert holder is not None
        assert holder.username == f"maker{number}"


async def test_user_added_during_a_verification_is_superseded(harness: StoreHarness) -> None:
    for number in range(10):
        address = f"late{number}@example.org"
        first = await harness.user(address, proven=False)
        late = claim(address, username=f"late{number}")

        async def register_and_verify(late: User = late) -> User | None:
            async with harness.begin() as work:
                await work.users.add(late)
            return await verifying(harness, late)()

        answers = await run_concurrently([verifying(harness, first), register_and_verify])
        async with harness.begin() as work:
            holder = await work.users.by_email(address)
        assert [user for user in answers if user is not None] == [holder]


async def test_username_goes_to_the_first_verified_user(harness: StoreHarness) -> None:
    await harness.user("first@example.org", username="Ada")
    second = await harness.user("second@example.org", username="aDA", proven=False)
    assert await verifying(harness, second)() == replace(second, verified=True, username=None)


async def test_concurrent_verifications_of_one_username_have_one_owner(harness: StoreHarness) -> None:
    for number in range(5):
        namesakes = [
            await harness.user(f"{place}-{number}@example.org", username=f"{name}{number}", proven=False)
            for place, name in enumerate(("ada", "ADA") * 5)
        ]
        proven = await run_concurrently(verifying(harness, namesake) for namesake in namesakes)
        assert all(user is not None and user.verified for user in proven)
        assert [user.username for user in proven if user is not None].count(None) == 9


async def test_a_session_opened_while_its_user_is_replaced_is_ended(harness: StoreHarness) -> None:
    for number in range(30):
        address = f"planted{number}@example.org"
        squatter = await harness.user(address, proven=False)
        owner = await harness.user(address, proven=False)
        planted = new_session(squatter)
        entered, proven = await run_concurrently([opening(harness, planted), verifying(harness, owner)])
        assert proven is not None
        async with harness.begin() as work:
            kept = await work.sessions.by_id(planted.id)
        assert (kept is None) == (entered is None)
        assert kept is None or kept.ended_at is not None


# -- changing ---------------------------------------------------------------------------------------------


def changing_password(harness: StoreHarness, user: User, new: str) -> Callable[[], Awaitable[User | None]]:
    async def change() -> User | None:
        async with harness.begin() as work:
            return await work.users.replace_password(user.id, new, credential_version=user.credential_version)

    return change


async def test_a_new_password_increments_the_credential_version(harness: StoreHarness) -> None:
    user = await harness.user()
    changed = await changing_password(harness, user, "new")()
    assert changed == user.with_password("new")
    assert await harness.load_user(user.id) == changed
    assert await changing_password(harness, user, "again")() is None
    assert await changing_password(harness, claim(), "nobody")() is None


async def test_of_forty_concurrent_password_changes_one_wins(harness: StoreHarness) -> None:
    user = await harness.user()
    answers = await run_concurrently(changing_password(harness, user, f"new{number}") for number in range(40))
    won = [answer for answer in answers if answer is not None]
    assert len(won) == 1
    assert await harness.load_user(user.id) == won[0]


async def test_rehash_is_stored_unless_the_password_has_changed(harness: StoreHarness) -> None:
    user = await harness.user()
    async with harness.begin() as work:
        await work.users.rehash(user.id, old="another hash", new="worse")
        assert await work.users.by_id(user.id) == user
        await work.users.rehash(user.id, old="hash", new="better")
    assert await harness.load_user(user.id) == replace(user, password_hash="better")


async def test_rehash_never_undoes_a_new_password(harness: StoreHarness) -> None:
    for number in range(20):
        user = await harness.user(f"rehash{number}@example.org")

        async def rehash(user: User = user) -> None:
            async with harness.begin() as work:
                await work.users.rehash(user.id, old="hash", new="better")

        await run_concurrently([rehash, changing_password(harness, user, "new")])
        user_now = await harness.load_user(user.id)
        assert user_now is not None
        assert user_now.password_hash == "new"


async def test_roles_and_bans_are_set_and_lifted(harness: StoreHarness) -> None:
    user = await harness.user()
    async with harness.begin() as work:
        promoted = replace(user.without_reset_links(), role=Role.ADMIN)
        assert await work.users.set_role(user.id, Role.ADMIN) == promoted
        banned = await work.users.set_disabled(user.id, True, now=NOW)
        assert banned == replace(promoted.without_reset_links(), disabled=True)
    assert await harness.load_user(user.id) == banned
    async with harness.begin() as work:
        assert await work.users.set_disabled(user.id, False, now=LATER) == promoted.without_reset_links()
        assert await work.users.set_role(new_id(), Role.ADMIN) is None
        assert await work.users.set_disabled(new_id(), True, now=NOW) is None


async def test_active_admins_are_verified_and_not_disabled(harness: StoreHarness) -> None:
    admins = [await harness.user(f"admin{number}@example.org", role=Role.ADMIN) for number in range(3)]
    await harness.user("moderator@example.org", role=Role.MODERATOR)
    await harness.user("claims@example.org", role=Role.ADMIN, proven=False)
    async with harness.begin() as work:
        await work.users.set_disabled(admins[1].id, True, now=NOW)
        assert await work.users.active_admin_ids() == [admins[0].id, admins[2].id]


async def test_two_admins_cannot_remove_each_other(harness: StoreHarness) -> None:
    for number in range(10):
        pair = [await harness.user(f"{side}{number}@example.org", role=Role.ADMIN) for side in ("left", "right")]

        def demoting(target: User) -> Callable[[], Awaitable[list[UUID]]]:
            async def demote() -> list[UUID]:
                async with harness.begin() as work:
                    await work.users.lock(target.id, with_admins=True)
                    admins = list(await work.users.active_admin_ids())
                    await anyio.sleep(0.002)
                    if admins != [target.id]:
                        await work.users.set_role(target.id, Role.MEMBER)
                    return admins

            return demote

        seen = await run_concurrently(demoting(target) for target in pair)
        assert sorted(map(len, seen)) == [1, 2]
        async with harness.begin() as work:
            (left,) = await work.users.active_admin_ids()
            assert left in {user.id for user in pair}
            await work.users.set_role(left, Role.MEMBER)


# -- shared salts -----------------------------------------------------------------------------------------


async def hash_for(harness: StoreHarness, email: str, username: str | None = None) -> str | None:
    async with harness.begin() as work:
        return await work.users.unverified_hash(email, username)


async def test_rival_hash_is_of_the_first_unverified_user(harness: StoreHarness) -> None:
    assert await hash_for(harness, "ada@example.org", "ada") is None
    others = [
        replace(claim(email, username=name), password_hash=f"hash {number}")
        for number, (email, name) in enumerate(
            [("bob@example.org", "Ada"), ("ada@example.org", None), ("ada@example.org", "ada")]
        )
    ]
    async with harness.begin() as work:
        for other in others:
            await work.users.add(other)
    assert await hash_for(harness, "ada@example.org", "ada") == "hash 1"
    assert await hash_for(harness, "eve@example.org", "aDA") == "hash 0"
    assert await hash_for(harness, "eve@example.org") is None
    async with harness.begin() as work:
        assert await work.users.verify_email(others[1].id, credential_version=1, now=NOW) is not None
    assert await hash_for(harness, "ada@example.org") is None


async def test_concurrent_registrations_of_one_address_see_each_other(harness: StoreHarness) -> None:
    def registering(number: int) -> Callable[[], Awaitable[str | None]]:
        async def register() -> str | None:
            async with harness.begin() as work:
                hashes = await work.users.unverified_hash("ada@example.org", None, alone=True)
                await anyio.sleep(0.002)
                await work.users.add(replace(claim(), password_hash=f"hash {number}"))
                return hashes

        return register

    hashes = await run_concurrently(registering(number) for number in range(8))
    assert hashes.count(None) == 1


# -- removing ---------------------------------------------------------------------------------------------


async def test_removed_user_has_ended_sessions(harness: StoreHarness) -> None:
    user = await harness.user(username="ada")
    session = await harness.session(user)
    async with harness.begin() as work:
        await work.sessions.end_all(user.id, now=LATER, reason=EndReason.DELETED)
        assert await work.users.remove(user.id, now=NOW)
    assert await harness.load_user(user.id) is None
    session_now = await harness.load_session(session.id)
    assert session_now == session.ended(now=LATER, reason=EndReason.DELETED)
    assert await harness.revocations.min_generations([session.id]) == {session.id: ENDED}
    async with harness.begin() as work:
        assert not await work.users.remove(user.id, now=NOW)
        assert await work.users.by_username("ada") is None


async def test_the_address_of_a_removed_user_can_be_reused(harness: StoreHarness) -> None:
    holder = await harness.user(username="ada")
    async with harness.begin() as work:
        await work.users.remove(holder.id, now=NOW)
    assert (await harness.user(username="ada")).username == "ada"


async def test_login_during_a_removal_leaves_no_session(harness: StoreHarness) -> None:
    for number in range(60):
        user = await harness.user(f"leaving{number}@example.org")
        session = new_session(user)

        async def remove(user: User = user) -> None:
            async with harness.begin() as work:
                await work.sessions.end_all(user.id, now=LATER, reason=EndReason.DELETED)
                await anyio.sleep(0.001)
                await work.users.remove(user.id, now=NOW)

        entered, _ = await run_concurrently([opening(harness, session), remove])
        async with harness.begin() as work:
            session_now = await work.sessions.by_id(session.id)
        assert (session_now is None) == (entered is None)
        assert session_now is None or session_now.ended_at is not None


async def test_locking_admins_does_not_deadlock_with_a_promotion(database: Database) -> None:
    """One user is promoted, an admin resigns with the earlier admins locked, and one call locks the current ones."""
    store = PostgresStore(database, blocklist=SpyingBlocklist(), nudge=lambda _: None)
    harness = StoreHarness(
        store, PostgresRenewals(database), PostgresRevocationStore(database), SpyingBlocklist(), []
    )
    newcomer = await harness.user("new@example.org")
    leaver = await harness.user("old@example.org", role=Role.ADMIN)
    bystander = await harness.user("other@example.org")

    async def promote() -> list[UUID]:
        async with harness.begin() as work:
            await work.users.lock(newcomer.id, with_admins=False)
            await work.users.set_role(newcomer.id, Role.ADMIN)
            await anyio.sleep(0.3)
        return []

    async def resign() -> list[UUID]:
        await anyio.sleep(0.1)
        async with harness.begin() as work:
            await work.users.lock(leaver.id, with_admins=True)
            await anyio.sleep(0.6)
            return list(await work.users.active_admin_ids())

    async def lock_admins() -> list[UUID]:
        await anyio.sleep(0.5)
        async with harness.begin() as work:
            return [user.id for user in await work.users.lock(bystander.id, with_admins=True)]

    promoted, left, held = await run_concurrently([promote, resign, lock_admins])
    assert (promoted, left) == ([], [newcomer.id, leaver.id])
    assert held == [newcomer.id, leaver.id, bystander.id]


# -- listing ----------------------------------------------------------------------------------------------


async def page(
    harness: StoreHarness,
    query: str = "",
    *,
    role: Role | None = None,
    limit: int = 50,
    after: PageCursor | None = None,
) -> list[User]:
    async with harness.begin() as work:
        return [hit.user for hit in await work.users.page(query=query, role=role, limit=limit, after=after)]


async def test_pages_are_ordered_by_id(harness: StoreHarness) -> None:
    users = [await harness.user(f"user{number}@example.org") for number in range(7)]
    everybody = sorted(users, key=lambda user: user.id)
    assert await page(harness) == everybody
    turned, after = [], None
    while leaf := await page(harness, limit=3, after=after):
        turned.append(leaf)
        after = PageCursor(leaf[-1].id)
    assert turned == [everybody[:3], everybody[3:6], everybody[6:]]
    assert await page(harness, limit=0) == []


async def test_query_matches_the_start_of_address_or_username_in_any_case(harness: StoreHarness) -> None:
    ada = await harness.user("ada@example.org", username="Countess")
    bob = await harness.user("bob@example.org", username="ADAM")
    await harness.user("nada@example.org")
    assert await page(harness, "ada") == [ada, bob]
    assert await page(harness, "ada@") == [ada]
    assert await page(harness, "count") == [ada]
    assert await page(harness, "example.org") == []


@pytest.mark.parametrize("sign", ["%", "_", "\\", "\\\\", "%%", "[a]", "'", "*", "?"])
async def test_wildcards_in_a_query_are_literal(harness: StoreHarness, sign: str) -> None:
    await harness.user("plain@example.org", username="plain")
    odd = await harness.user(f"x{sign}y@example.org")
    odder = await harness.user(f"{sign}z@example.org")
    assert await page(harness, sign) == [odder]
    assert await page(harness, f"x{sign}") == [odd]
    assert await page(harness, f"x{sign}y@example.org") == [odd]
    assert await page(harness, f"plai{sign}") == []


async def test_page_can_be_filtered_by_role_query_and_cursor(harness: StoreHarness) -> None:
    moderators = [await harness.user(f"m{number}@example.org", role=Role.MODERATOR) for number in range(4)]
    await harness.user("m9@example.org")
    assert await page(harness, role=Role.MODERATOR) == moderators
    assert (
        await page(
            harness,
            "m",
            role=Role.MODERATOR,
            limit=2,
            after=PageCursor(moderators[0].id, EMAIL_KEY + moderators[0].email),
        )
        == moderators[1:3]
    )
    assert await page(harness, "m1", role=Role.MODERATOR) == [moderators[1]]
    assert await page(harness, "m1", role=Role.ADMIN) == []


# -- rollback ---------------------------------------------------------------------------------------------


async def test_an_exception_undoes_every_change_to_users(harness: StoreHarness) -> None:
    user = await harness.user(username="ada", proven=False)
    rival = await harness.user(proven=False)
    other = await harness.user("bob@example.org")
    added = claim("new@example.org")

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.users.add(added)
            await work.users.verify_email(user.id, credential_version=1, now=NOW)
            await work.users.replace_password(user.id, "new", credential_version=1)
            await work.users.set_role(user.id, Role.ADMIN)
            await work.users.set_disabled(user.id, True, now=NOW)
            await work.users.remove(other.id, now=NOW)
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    assert [await harness.load_user(someone.id) for someone in (user, rival, other)] == [user, rival, other]
    assert await harness.load_user(added.id) is None
