"""Bulk import of users: which are added, which exist already, and that no race adds one twice."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from uuid import UUID

import anyio
import pytest

from application.repositories import Verification
from domain.role import Role
from domain.session import ENDED, EndReason
from domain.user import Provenance, User
from tests.support.store_harness import LATER, NOW, Rollback, StoreHarness, claim, new_id, run_concurrently

pytestmark = pytest.mark.anyio

ADA = "ada@example.org"


def imported_user(email: str = ADA, *, username: str | None = None, verified: bool = True) -> User:
    user = claim(email, username=username)
    return replace(user, verified=verified, provenance=Provenance.IMPORT, imported_at=NOW)


def importing(harness: StoreHarness, *users: User) -> Callable[[], Awaitable[Sequence[User]]]:
    async def bulk_insert() -> Sequence[User]:
        async with harness.begin() as work:
            return await work.users.bulk_insert(users, now=NOW)

    return bulk_insert


async def owners_of(harness: StoreHarness, *emails: str) -> dict[str, User]:
    async with harness.begin() as work:
        return dict(await work.users.owners_of(emails))


async def all_users(harness: StoreHarness) -> list[User]:
    async with harness.begin() as work:
        return [found.user for found in await work.users.page(query="", role=None, limit=1000, after=None)]


async def test_imported_users_keep_their_fields(harness: StoreHarness) -> None:
    users = [
        imported_user("a@example.org", username="Ada"),
        replace(imported_user("b@example.org", verified=False), disabled=True, role=Role.MODERATOR),
        replace(imported_user("c@example.org"), disabled=True, role=Role.ADMIN, created_at=LATER, password_hash=""),
        replace(imported_user("d@example.org", username="dora", verified=False), credential_version=3),
    ]
    assert sorted(await importing(harness, *users)(), key=lambda user: user.id) == users
    assert await all_users(harness) == users
    assert await importing(harness)() == []


async def test_a_thousand_users_are_imported_in_one_batch(harness: StoreHarness) -> None:
    users = [imported_user(f"user{number}@example.org", username=f"name{number}") for number in range(1000)]
    assert len(await importing(harness, *users)()) == 1000
    assert await all_users(harness) == users
    assert await importing(harness, *(replace(user, id=new_id()) for user in users))() == []


async def test_address_belongs_to_its_verified_or_imported_user(harness: StoreHarness) -> None:
    own = await harness.user("own@example.org")
    await harness.user("claimed@example.org", proven=False)
    imported, waiting = imported_user("imported@example.org"), imported_user("waiting@example.org", verified=False)
    await importing(harness, imported, waiting)()
    await harness.user("waiting@example.org", proven=False)
    emails = [user.email for user in (own, imported, waiting)]
    assert await owners_of(harness, *emails, "claimed@example.org", "nobody@example.org") == {
        own.email: own,
        imported.email: imported,
        waiting.email: waiting,
    }
    assert await owners_of(harness) == {}


async def test_verified_user_owns_an_address_before_an_imported_one(harness: StoreHarness) -> None:
    async with harness.begin() as work:
        proven = await work.users.bulk_insert([imported_user()], now=NOW)
    late = imported_user(verified=False)
    async with harness.begin() as work:
        await work.users.add(late)
    assert await owners_of(harness, ADA) == {ADA: proven[0]}


async def test_verified_address_is_unchanged_by_an_import(harness: StoreHarness) -> None:
    holder = await harness.user(username="ada")
    assert await importing(harness, imported_user(username="new"))() == []
    assert await importing(harness, imported_user(verified=False))() == []
    assert await all_users(harness) == [holder]


async def test_unverified_user_of_the_same_import_is_not_added_twice(harness: StoreHarness) -> None:
    first = imported_user(verified=False)
    await importing(harness, first)()
    assert await importing(harness, imported_user(verified=False))() == []
    assert await all_users(harness) == [first]


@pytest.mark.parametrize("verified", [True, False])
async def test_imported_user_who_left_is_not_imported_again(harness: StoreHarness, verified: bool) -> None:
    [came] = await importing(harness, imported_user(verified=verified))()
    await harness.user("own@example.org")
    async with harness.begin() as work:
        emails = [ADA, "own@example.org", "bob@example.org"]
        assert await work.users.previously_imported(emails) == {ADA}
        assert await work.users.previously_imported([]) == set()
        assert await work.users.remove(came.id, now=NOW)
    async with harness.begin() as work:
        assert await work.users.previously_imported(emails) == {ADA}
    for again in (imported_user(), imported_user(verified=False)):
        assert await importing(harness, again, imported_user(f"{again.id}@example.org"))() != []
        assert ADA not in {user.email for user in await all_users(harness)}


async def test_unverified_user_does_not_block_an_import(harness: StoreHarness) -> None:
    squatter = await harness.user(username="ada", proven=False)
    waiting = imported_user(username="ada", verified=False)
    assert await importing(harness, waiting)() == [waiting]
    assert await all_users(harness) == [squatter, waiting]


async def test_verified_import_replaces_every_unverified_user(harness: StoreHarness) -> None:
    squatter = await harness.user(username="squatter", proven=False)
    planted = await harness.session(squatter)
    await importing(harness, imported_user(verified=False))()
    neighbour = await harness.user("bob@example.org", proven=False)
    arrived = imported_user()
    assert await importing(harness, arrived)() == [arrived]
    assert await all_users(harness) == [neighbour, arrived]
    session = await harness.load_session(planted.id)
    assert (session.ended_at, session.end_reason) == (NOW, EndReason.SUPERSEDED)
    assert harness.blocklist.revoked == {planted.id: ENDED}


async def test_verified_username_is_dropped_from_an_import(harness: StoreHarness) -> None:
    holder = await harness.user("holder@example.org", username="ada")
    users = [
        imported_user("a@example.org", username="ADA"),
        imported_user("b@example.org", username="Ada", verified=False),
        imported_user("c@example.org", username="bob", verified=False),
        imported_user("d@example.org", username="bob"),
        imported_user("e@example.org", username="BOB"),
        imported_user("f@example.org", username="BOB", verified=False),
    ]
    admitted = await importing(harness, *users)()
    assert {user.email[0]: user.username for user in admitted} == {
        "a": None,
        "b": None,
        "c": "bob",
        "d": "bob",
        "e": None,
        "f": None,
    }
    assert await all_users(harness) == [holder, *sorted(admitted, key=lambda user: user.id)]


# -- races ------------------------------------------------------------------------------------------------


async def test_concurrent_imports_of_the_same_users_add_each_once(harness: StoreHarness) -> None:
    def batch() -> list[User]:
        numbers = [*range(40)]
        return [
            imported_user(f"user{number}@example.org", username=f"n{number}", verified=number % 2 > 0)
            for number in numbers
        ]

    batches = [batch() for _ in range(5)]
    admitted = await run_concurrently(
        importing(harness, *users) for users in (*batches[:3], *(it[::-1] for it in batches[3:]))
    )
    assert sum(map(len, admitted)) == 40
    assert len({user.email for users in admitted for user in users}) == 40
    assert len(await all_users(harness)) == 40
    assert all(user.username for user in await all_users(harness))


async def test_address_verified_during_an_import_has_one_owner(harness: StoreHarness) -> None:
    for number in range(20):
        rival = await harness.user(f"user{number}@example.org", username=f"rival{number}", proven=False)
        arrived = imported_user(rival.email, username=f"new{number}")

        async def prove(user_id: UUID = rival.id) -> Sequence[User]:
            async with harness.begin() as work:
                proof: Verification | None = await work.users.verify_email(user_id, credential_version=1, now=NOW)
            return [] if proof is None else [proof.user]

        came = [user for users in await run_concurrently([prove, importing(harness, arrived)]) for user in users]
        assert len(came) == 1
        assert [user for user in await all_users(harness) if user.email == rival.email] == came


async def test_import_does_not_undo_a_verification_after_its_check(harness: StoreHarness) -> None:
    rival = await harness.user(proven=False)
    admitted: list[Sequence[User]] = []

    async def admit() -> None:
        admitted.append(await importing(harness, imported_user())())

    async with anyio.create_task_group() as group, harness.begin() as work:
        proof = await work.users.verify_email(rival.id, credential_version=1, now=NOW)
        group.start_soon(admit)
        await anyio.sleep(0.3)  # the import waits for the row of the user who is still unverified
    assert proof is not None
    assert admitted == [[]]
    assert await all_users(harness) == [proof.user]


async def test_username_verified_during_an_import_has_one_owner(harness: StoreHarness) -> None:
    for number in range(20):
        rival = await harness.user(f"rival{number}@example.org", username=f"name{number}", proven=False)
        arrived = imported_user(f"new{number}@example.org", username=f"NAME{number}")

        async def prove(user_id: UUID = rival.id) -> Sequence[User]:
            async with harness.begin() as work:
                proof: Verification | None = await work.users.verify_email(user_id, credential_version=1, now=NOW)
            return [] if proof is None else [proof.user]

        came = [user for users in await run_concurrently([prove, importing(harness, arrived)]) for user in users]
        assert [user.verified for user in came] == [True, True]
        assert len([user for user in came if user.username is not None]) == 1
        assert [user for user in await all_users(harness) if user.email in {rival.email, arrived.email}] == sorted(
            came, key=lambda user: user.id
        )


# -- rollback ---------------------------------------------------------------------------------------------


async def test_exception_undoes_an_import(harness: StoreHarness) -> None:
    squatter = await harness.user(proven=False)
    session = await harness.session(squatter)

    async def roll_back() -> None:
        async with harness.begin() as work:
            users = [imported_user(), imported_user("bob@example.org")]
            assert len(await work.users.bulk_insert(users, now=NOW)) == 2
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    assert await all_users(harness) == [squatter]
    assert (await harness.load_session(session.id)).ended_at is None
    assert harness.blocklist.revoked == {}
    assert len(await importing(harness, imported_user())()) == 1
