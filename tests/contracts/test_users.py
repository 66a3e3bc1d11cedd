"""Users: anybody may claim, one may hold; and whoever changes one meets everybody else who does."""

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
from tests.support.stage import LATER, NOW, SpyingBlocklist, Stage, Undo, at_once, claim, login_of, new_id, opened

pytestmark = pytest.mark.anyio


def proving(stage: Stage, user: User) -> Callable[[], Awaitable[User | None]]:
    async def prove() -> User | None:
        async with stage.begin() as work:
            proof = await work.users.verify_email(user.id, credential_version=user.credential_version, now=NOW)
            return None if proof is None else proof.user

    return prove


def entering(stage: Stage, session: Session) -> Callable[[], Awaitable[User | None]]:
    async def enter() -> User | None:
        async with stage.begin() as work:
            return await work.sessions.open(session, credential_version=1, event=login_of(session))

    return enter


# -- finding ----------------------------------------------------------------------------------------------


async def test_a_user_comes_back_as_it_was_added(stage: Stage) -> None:
    user = replace(claim("a@example.org", username="Ada", role=Role.ADMIN), credential_version=7)
    async with stage.begin() as work:
        await work.users.add(user)
    async with stage.begin() as work:
        assert await work.users.by_id(user.id) == user
        assert await work.users.by_email("a@example.org") == user
        assert await work.users.by_username("aDA") == user


async def test_nobody_is_found_under_an_id_an_address_or_a_name_that_nobody_has(stage: Stage) -> None:
    await stage.user(username=None)
    async with stage.begin() as work:
        assert await work.users.by_id(new_id()) is None
        assert await work.users.by_email("eve@example.org") is None
        assert [await work.users.by_username(name) for name in ("eve", "", "%", "ada@example.org")] == [None] * 4


async def test_the_newest_claim_speaks_for_an_address_until_one_is_proven(stage: Stage) -> None:
    older = await stage.user(username="ada", proven=False)
    newer = await stage.user(username="ADA", proven=False)
    async with stage.begin() as work:
        assert await work.users.by_email("ada@example.org") == newer
        assert await work.users.by_username("ada") == newer
    proven = await proving(stage, older)()
    await stage.user(username="ada", proven=False)
    async with stage.begin() as work:
        assert await work.users.by_email("ada@example.org") == proven
        assert await work.users.by_username("ada") == proven


async def test_many_addresses_are_looked_up_as_one_is(stage: Stage) -> None:
    emails = [f"user{number}@example.org" for number in range(5)]
    for email in emails[:4]:
        for proven in (False, email == emails[0], False, email == emails[1]):
            await stage.user(email, username=None, proven=proven)
    async with stage.begin() as work:
        one_by_one = [await work.users.by_email(email) for email in emails]
        assert await work.users.by_emails([*emails[1:], emails[0], emails[0]]) == {
            user.email: user for user in one_by_one if user is not None
        }
        assert await work.users.by_emails([]) == {}
    assert [user and user.verified for user in one_by_one] == [True, True, False, False, None]


# -- proving ----------------------------------------------------------------------------------------------


async def test_proving_keeps_everything_else_about_the_user(stage: Stage) -> None:
    user = await stage.user(username="Ada", role=Role.MODERATOR, proven=False)
    assert await proving(stage, user)() == replace(user, verified=True)
    assert await stage.kept_user(user.id) == replace(user, verified=True)


async def test_proving_twice_is_proving_once(stage: Stage) -> None:
    user = await stage.user(username="ada")
    assert await at_once([proving(stage, user)] * 5) == [user] * 5


async def test_nobody_proves_with_credentials_that_have_changed_or_without_a_user(stage: Stage) -> None:
    user = await stage.user(proven=False)
    assert await proving(stage, replace(user, credential_version=2))() is None
    assert await proving(stage, claim())() is None
    assert await stage.kept_user(user.id) == user


async def test_an_address_that_somebody_has_proven_cannot_be_proven_by_another(stage: Stage) -> None:
    holder = await stage.user()
    late = await stage.user(proven=False)
    assert await proving(stage, late)() is None
    assert await stage.kept_user(holder.id) == holder
    assert await stage.kept_user(late.id) == late


async def test_proving_removes_the_other_claims_and_ends_their_sessions(stage: Stage) -> None:
    squatter = await stage.user(username="squatter", proven=False)
    planted = await stage.session(squatter)
    neighbour = await stage.user("bob@example.org", proven=False)
    theirs = await stage.session(neighbour)
    await stage.user()

    assert await stage.kept_user(squatter.id) is None
    kept = await stage.kept_session(planted.id)
    assert (kept.ended_at, kept.end_reason) == (NOW, EndReason.SUPERSEDED)
    assert stage.blocklist.revoked == {planted.id: ENDED}
    assert await stage.kept_user(neighbour.id) == neighbour
    assert await stage.kept_session(theirs.id) == theirs


@pytest.mark.parametrize("other", ["$memory$1", "$memory$2"])
async def test_an_address_is_contested_by_those_with_another_password_hash(stage: Stage, other: str) -> None:
    user, rival = replace(claim(), password_hash="$memory$1"), replace(claim(), password_hash=other)
    async with stage.begin() as work:
        await work.users.add(user)
        await work.users.add(rival)
        proof = await work.users.verify_email(user.id, credential_version=1, now=NOW)
    assert proof is not None
    assert proof.contested is (other != user.password_hash)


async def test_many_rivals_who_prove_one_address_at_once_leave_exactly_one(stage: Stage) -> None:
    for number in range(5):
        address = f"contested{number}@example.org"
        rivals = [await stage.user(address, username=f"rival{number}-{rival}", proven=False) for rival in range(12)]
        sessions = [await stage.session(rival) for rival in rivals]
        proven = [user for user in await at_once(proving(stage, rival) for rival in rivals) if user is not None]
        left = [user for user in [await stage.kept_user(rival.id) for rival in rivals] if user is not None]
        assert len(proven) == 1
        assert left == proven
        kept = [await stage.kept_session(session.id) for session in sessions]
        assert sorted(session.ended_at is None for session in kept) == [False] * 11 + [True]


async def test_rivals_who_are_made_and_proven_in_one_work_leave_exactly_one(stage: Stage) -> None:
    """Neither sees the other's row before it is too late to lock it."""

    def factories(user: User) -> Callable[[], Awaitable[User | None]]:
        async def make() -> User | None:
            async with stage.begin() as work:
                await work.users.add(user)
                await anyio.sleep(0.01)
                proof = await work.users.verify_email(user.id, credential_version=1, now=NOW)
                return None if proof is None else proof.user

        return make

    for number in range(5):
        address = f"made{number}@example.org"
        rivals = [claim(address, username=f"maker{number}") for _ in range(8)]
        proven = [user for user in await at_once(factories(rival) for rival in rivals) if user is not None]
        async with stage.begin() as work:
            holder = await work.users.by_email(address)
        assert proven == [holder]
        assert holder is not None
        assert holder.username == f"maker{number}"


async def test_a_claim_added_while_another_is_proven_is_worth_nothing(stage: Stage) -> None:
    for number in range(10):
        address = f"late{number}@example.org"
        first = await stage.user(address, proven=False)
        late = claim(address, username=f"late{number}")

        async def add_and_prove(late: User = late) -> User | None:
            async with stage.begin() as work:
                await work.users.add(late)
            return await proving(stage, late)()

        answers = await at_once([proving(stage, first), add_and_prove])
        async with stage.begin() as work:
            holder = await work.users.by_email(address)
        assert [user for user in answers if user is not None] == [holder]


async def test_a_username_goes_to_whoever_is_proven_first_and_the_others_go_without(stage: Stage) -> None:
    await stage.user("first@example.org", username="Ada")
    second = await stage.user("second@example.org", username="aDA", proven=False)
    assert await proving(stage, second)() == replace(second, verified=True, username=None)


async def test_of_those_proven_at_once_under_one_username_one_keeps_it(stage: Stage) -> None:
    for number in range(5):
        namesakes = [
            await stage.user(f"{place}-{number}@example.org", username=f"{name}{number}", proven=False)
            for place, name in enumerate(("ada", "ADA") * 5)
        ]
        proven = await at_once(proving(stage, namesake) for namesake in namesakes)
        assert all(user is not None and user.verified for user in proven)
        assert [user.username for user in proven if user is not None].count(None) == 9


async def test_a_session_opened_while_its_user_is_superseded_does_not_live_on(stage: Stage) -> None:
    for number in range(30):
        address = f"planted{number}@example.org"
        squatter = await stage.user(address, proven=False)
        owner = await stage.user(address, proven=False)
        planted = opened(squatter)
        entered, proven = await at_once([entering(stage, planted), proving(stage, owner)])
        assert proven is not None
        async with stage.begin() as work:
            kept = await work.sessions.by_id(planted.id)
        assert (kept is None) == (entered is None)
        assert kept is None or kept.ended_at is not None


# -- changing ---------------------------------------------------------------------------------------------


def changing_password(stage: Stage, user: User, new: str) -> Callable[[], Awaitable[User | None]]:
    async def change() -> User | None:
        async with stage.begin() as work:
            return await work.users.replace_password(user.id, new, credential_version=user.credential_version)

    return change


async def test_a_new_password_counts_the_version_on(stage: Stage) -> None:
    user = await stage.user()
    changed = await changing_password(stage, user, "new")()
    assert changed == user.with_password("new")
    assert await stage.kept_user(user.id) == changed
    assert await changing_password(stage, user, "again")() is None
    assert await changing_password(stage, claim(), "nobody")() is None


async def test_of_forty_new_passwords_at_once_one_wins(stage: Stage) -> None:
    user = await stage.user()
    answers = await at_once(changing_password(stage, user, f"new{number}") for number in range(40))
    won = [answer for answer in answers if answer is not None]
    assert len(won) == 1
    assert await stage.kept_user(user.id) == won[0]


async def test_a_better_hash_is_kept_unless_the_password_has_changed(stage: Stage) -> None:
    user = await stage.user()
    async with stage.begin() as work:
        await work.users.rehash(user.id, old="another hash", new="worse")
        assert await work.users.by_id(user.id) == user
        await work.users.rehash(user.id, old="hash", new="better")
    assert await stage.kept_user(user.id) == replace(user, password_hash="better")


async def test_a_better_hash_never_undoes_a_new_password(stage: Stage) -> None:
    for number in range(20):
        user = await stage.user(f"rehash{number}@example.org")

        async def rehash(user: User = user) -> None:
            async with stage.begin() as work:
                await work.users.rehash(user.id, old="hash", new="better")

        await at_once([rehash, changing_password(stage, user, "new")])
        kept = await stage.kept_user(user.id)
        assert kept is not None
        assert kept.password_hash == "new"


async def test_roles_and_bans_are_set_and_lifted(stage: Stage) -> None:
    user = await stage.user()
    async with stage.begin() as work:
        promoted = replace(user.without_reset_links(), role=Role.ADMIN)
        assert await work.users.set_role(user.id, Role.ADMIN) == promoted
        banned = await work.users.set_disabled(user.id, True, now=NOW)
        assert banned == replace(promoted.without_reset_links(), disabled=True)
    assert await stage.kept_user(user.id) == banned
    async with stage.begin() as work:
        assert await work.users.set_disabled(user.id, False, now=LATER) == promoted.without_reset_links()
        assert await work.users.set_role(new_id(), Role.ADMIN) is None
        assert await work.users.set_disabled(new_id(), True, now=NOW) is None


async def test_active_admins_are_verified_and_not_disabled(stage: Stage) -> None:
    admins = [await stage.user(f"admin{number}@example.org", role=Role.ADMIN) for number in range(3)]
    await stage.user("moderator@example.org", role=Role.MODERATOR)
    await stage.user("claims@example.org", role=Role.ADMIN, proven=False)
    async with stage.begin() as work:
        await work.users.set_disabled(admins[1].id, True, now=NOW)
        assert await work.users.active_admin_ids() == [admins[0].id, admins[2].id]


async def test_admins_who_would_remove_each_other_do_not_both_go(stage: Stage) -> None:
    for number in range(10):
        pair = [await stage.user(f"{side}{number}@example.org", role=Role.ADMIN) for side in ("left", "right")]

        def demoting(target: User) -> Callable[[], Awaitable[list[UUID]]]:
            async def demote() -> list[UUID]:
                async with stage.begin() as work:
                    await work.users.lock(target.id, with_admins=True)
                    admins = list(await work.users.active_admin_ids())
                    await anyio.sleep(0.002)
                    if admins != [target.id]:
                        await work.users.set_role(target.id, Role.MEMBER)
                    return admins

            return demote

        seen = await at_once(demoting(target) for target in pair)
        assert sorted(map(len, seen)) == [1, 2]
        async with stage.begin() as work:
            (left,) = await work.users.active_admin_ids()
            assert left in {user.id for user in pair}
            await work.users.set_role(left, Role.MEMBER)


# -- sharing a salt ---------------------------------------------------------------------------------------


async def hash_for(stage: Stage, email: str, username: str | None = None) -> str | None:
    async with stage.begin() as work:
        return await work.users.unverified_hash(email, username)


async def test_the_rival_hash_is_that_of_the_first_unverified_user_of_address_or_name(stage: Stage) -> None:
    assert await hash_for(stage, "ada@example.org", "ada") is None
    others = [
        replace(claim(email, username=name), password_hash=f"hash {number}")
        for number, (email, name) in enumerate(
            [("bob@example.org", "Ada"), ("ada@example.org", None), ("ada@example.org", "ada")]
        )
    ]
    async with stage.begin() as work:
        for other in others:
            await work.users.add(other)
    assert await hash_for(stage, "ada@example.org", "ada") == "hash 1"
    assert await hash_for(stage, "eve@example.org", "aDA") == "hash 0"
    assert await hash_for(stage, "eve@example.org") is None
    async with stage.begin() as work:
        assert await work.users.verify_email(others[1].id, credential_version=1, now=NOW) is not None
    assert await hash_for(stage, "ada@example.org") is None


async def test_those_who_register_one_address_at_once_see_one_another(stage: Stage) -> None:
    def registering(number: int) -> Callable[[], Awaitable[str | None]]:
        async def register() -> str | None:
            async with stage.begin() as work:
                found = await work.users.unverified_hash("ada@example.org", None, alone=True)
                await anyio.sleep(0.002)
                await work.users.add(replace(claim(), password_hash=f"hash {number}"))
                return found

        return register

    found = await at_once(registering(number) for number in range(8))
    assert found.count(None) == 1


# -- removing ---------------------------------------------------------------------------------------------


async def test_removing_a_user_keeps_its_sessions_ended(stage: Stage) -> None:
    user = await stage.user(username="ada")
    session = await stage.session(user)
    async with stage.begin() as work:
        await work.sessions.end_all(user.id, now=LATER, reason=EndReason.DELETED)
        assert await work.users.remove(user.id, now=NOW)
    assert await stage.kept_user(user.id) is None
    kept = await stage.kept_session(session.id)
    assert kept == session.ended(now=LATER, reason=EndReason.DELETED)
    assert await stage.revocations.min_generations([session.id]) == {session.id: ENDED}
    async with stage.begin() as work:
        assert not await work.users.remove(user.id, now=NOW)
        assert await work.users.by_username("ada") is None


async def test_an_address_is_free_again_once_its_holder_is_removed(stage: Stage) -> None:
    holder = await stage.user(username="ada")
    async with stage.begin() as work:
        await work.users.remove(holder.id, now=NOW)
    assert (await stage.user(username="ada")).username == "ada"


async def test_a_login_during_the_removal_of_its_user_leaves_no_session_alive(stage: Stage) -> None:
    for number in range(60):
        user = await stage.user(f"leaving{number}@example.org")
        session = opened(user)

        async def remove(user: User = user) -> None:
            async with stage.begin() as work:
                await work.sessions.end_all(user.id, now=LATER, reason=EndReason.DELETED)
                await anyio.sleep(0.001)
                await work.users.remove(user.id, now=NOW)

        entered, _ = await at_once([entering(stage, session), remove])
        async with stage.begin() as work:
            kept = await work.sessions.by_id(session.id)
        assert (kept is None) == (entered is None)
        assert kept is None or kept.ended_at is not None


async def test_an_admin_who_comes_while_others_are_held_is_not_waited_for(database: Database) -> None:
    """One is promoted; one resigns, having held those who governed before; one acts on whoever governs now."""
    store = PostgresStore(database, blocklist=SpyingBlocklist(), nudge=lambda _: None)
    stage = Stage(store, PostgresRenewals(database), PostgresRevocationStore(database), SpyingBlocklist(), [])
    newcomer = await stage.user("new@example.org")
    leaver = await stage.user("old@example.org", role=Role.ADMIN)
    bystander = await stage.user("other@example.org")

    async def promote() -> list[UUID]:
        async with stage.begin() as work:
            await work.users.lock(newcomer.id, with_admins=False)
            await work.users.set_role(newcomer.id, Role.ADMIN)
            await anyio.sleep(0.3)
        return []

    async def resign() -> list[UUID]:
        await anyio.sleep(0.1)
        async with stage.begin() as work:
            await work.users.lock(leaver.id, with_admins=True)
            await anyio.sleep(0.6)
            return list(await work.users.active_admin_ids())

    async def act() -> list[UUID]:
        await anyio.sleep(0.5)
        async with stage.begin() as work:
            return [user.id for user in await work.users.lock(bystander.id, with_admins=True)]

    promoted, left, held = await at_once([promote, resign, act])
    assert (promoted, left) == ([], [newcomer.id, leaver.id])
    assert held == [newcomer.id, leaver.id, bystander.id]


# -- listing ----------------------------------------------------------------------------------------------


async def page(
    stage: Stage, query: str = "", *, role: Role | None = None, limit: int = 50, after: PageCursor | None = None
) -> list[User]:
    async with stage.begin() as work:
        return [found.user for found in await work.users.page(query=query, role=role, limit=limit, after=after)]


async def test_pages_follow_each_other_in_the_order_of_ids(stage: Stage) -> None:
    users = [await stage.user(f"user{number}@example.org") for number in range(7)]
    everybody = sorted(users, key=lambda user: user.id)
    assert await page(stage) == everybody
    turned, after = [], None
    while leaf := await page(stage, limit=3, after=after):
        turned.append(leaf)
        after = PageCursor(leaf[-1].id)
    assert turned == [everybody[:3], everybody[3:6], everybody[6:]]
    assert await page(stage, limit=0) == []


async def test_a_query_is_the_beginning_of_an_address_or_a_username_whatever_its_case(stage: Stage) -> None:
    ada = await stage.user("ada@example.org", username="Countess")
    bob = await stage.user("bob@example.org", username="ADAM")
    await stage.user("nada@example.org")
    assert await page(stage, "ada") == [ada, bob]
    assert await page(stage, "ada@") == [ada]
    assert await page(stage, "count") == [ada]
    assert await page(stage, "example.org") == []


@pytest.mark.parametrize("sign", ["%", "_", "\\", "\\\\", "%%", "[a]", "'", "*", "?"])
async def test_signs_that_mean_something_to_a_search_mean_themselves(stage: Stage, sign: str) -> None:
    await stage.user("plain@example.org", username="plain")
    odd = await stage.user(f"x{sign}y@example.org")
    odder = await stage.user(f"{sign}z@example.org")
    assert await page(stage, sign) == [odder]
    assert await page(stage, f"x{sign}") == [odd]
    assert await page(stage, f"x{sign}y@example.org") == [odd]
    assert await page(stage, f"plai{sign}") == []


async def test_a_page_can_be_of_one_role_within_a_query_and_behind_a_cursor(stage: Stage) -> None:
    moderators = [await stage.user(f"m{number}@example.org", role=Role.MODERATOR) for number in range(4)]
    await stage.user("m9@example.org")
    assert await page(stage, role=Role.MODERATOR) == moderators
    assert (
        await page(
            stage,
            "m",
            role=Role.MODERATOR,
            limit=2,
            after=PageCursor(moderators[0].id, EMAIL_KEY + moderators[0].email),
        )
        == moderators[1:3]
    )
    assert await page(stage, "m1", role=Role.MODERATOR) == [moderators[1]]
    assert await page(stage, "m1", role=Role.ADMIN) == []


# -- undoing ----------------------------------------------------------------------------------------------


async def test_an_exception_undoes_every_change_to_users(stage: Stage) -> None:
    user = await stage.user(username="ada", proven=False)
    rival = await stage.user(proven=False)
    other = await stage.user("bob@example.org")
    added = claim("new@example.org")

    async def spoilt() -> None:
        async with stage.begin() as work:
            await work.users.add(added)
            await work.users.verify_email(user.id, credential_version=1, now=NOW)
            await work.users.replace_password(user.id, "new", credential_version=1)
            await work.users.set_role(user.id, Role.ADMIN)
            await work.users.set_disabled(user.id, True, now=NOW)
            await work.users.remove(other.id, now=NOW)
            raise Undo

    with pytest.raises(Undo):
        await spoilt()
    assert [await stage.kept_user(kept.id) for kept in (user, rival, other)] == [user, rival, other]
    assert await stage.kept_user(added.id) is None
